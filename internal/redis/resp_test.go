package redis

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readString(s string) (r Reply, err error) {
	err = readReply(bufio.NewReaderSize(strings.NewReader(s), bufferSize), &r)
	return r, err
}

func TestReadReply(t *testing.T) {
	for _, tc := range []struct {
		in      string
		numbers []int64
		texts   []string
		failure error
	}{
		{in: ":42\r\n", numbers: []int64{42}},
		{in: ":-9223372036854775808\r\n", numbers: []int64{-1 << 63}},
		{in: "+OK\r\n", texts: []string{"OK"}},
		{in: "$7\r\na\r\nb\r\nc\r\n", texts: []string{"a\r\nb\r\nc"}},
		{in: "$0\r\n\r\n", texts: []string{""}},
		{in: "$-1\r\n"},
		{in: "*-1\r\n"},
		{in: "*0\r\n"},
		{in: "*3\r\n:1\r\n*2\r\n+a\r\n:2\r\n$1\r\nb\r\n", numbers: []int64{1, 2}, texts: []string{"a", "b"}},
		{in: "-READONLY no\r\n", failure: ServerError("READONLY no")},
	} {
		r, err := readString(tc.in)
		if err != nil || !errors.Is(r.err, tc.failure) || !cmp.Equal(r.Numbers, tc.numbers) || !cmp.Equal(r.Texts, tc.texts) {
			t.Errorf("%q: %+v, %v", tc.in, r, err)
		}
	}
}

// malformed are answers that no Redis gives.
var malformed = map[string]string{
	"HTTP":                "HTTP/1.1 400 Bad Request\r\n\r\n",
	"TLS alert":           "\x15\x03\x03\x00\x02\x02\x46\r\n",
	"empty line":          "\r\n",
	"no carriage return":  ":1\n",
	"no number":           ":x\r\n",
	"number too large":    ":9223372036854775808\r\n",
	"no length":           "*\r\n",
	"negative length":     "$-2\r\n",
	"huge array":          "*99999999999\r\n",
	"array over 2^63":     "*9223372036854775808\r\n",
	"huge string":         "$99999999999\r\n",
	"string too long":     "$2\r\nabcd\r\n",
	"arrays without end":  strings.Repeat("*1\r\n", 1<<20),
	"growing arrays":      strings.Repeat("*9000\r\n", 1<<10),
	"line without end":    "+" + strings.Repeat("x", 1<<20),
	"RESP3 map":           "%1\r\n+a\r\n:1\r\n",
	"error without end":   "-" + strings.Repeat("x", 1<<20),
	"numbers without end": ":" + strings.Repeat("1", 1<<20),
}

func TestReadReplyMalformed(t *testing.T) {
	for name, in := range malformed {
		if r, err := readString(in); !errors.Is(err, errProtocol) {
			t.Errorf("%s: %d numbers, %d texts, error %v", name, len(r.Numbers), len(r.Texts), err)
		}
	}
}

// FuzzReadReply: whatever comes, reading ends, within bounds, without panic, and
// with an error that does not quote it.
func FuzzReadReply(f *testing.F) {
	for _, in := range malformed {
		f.Add(in[:min(len(in), 100)])
	}
	f.Add("*4\r\n:1\r\n:1767225600000\r\n:1767225660000\r\n:1\r\n")
	f.Add("*2\r\n$9\r\n127.0.0.1\r\n$4\r\n6379\r\n")
	f.Fuzz(func(t *testing.T, in string) {
		r, err := readString(in)
		switch {
		case len(r.Numbers)+len(r.Texts) > maxElements:
			t.Errorf("%d numbers and %d texts", len(r.Numbers), len(r.Texts))
		case err != nil && !errors.Is(err, errProtocol) && !errors.Is(err, io.EOF):
			t.Errorf("error %v", err)
		}
	})
}
