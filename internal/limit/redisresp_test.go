package limit

import (
	"bufio"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readString(s string) (r reply, err error) {
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
		{in: "-READONLY no\r\n", failure: serverError("READONLY no")},
	} {
		r, err := readString(tc.in)
		if err != nil || !errors.Is(r.err, tc.failure) || !cmp.Equal(r.numbers, tc.numbers) || !cmp.Equal(r.texts, tc.texts) {
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
			t.Errorf("%s: %d numbers, %d texts, error %v", name, len(r.numbers), len(r.texts), err)
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
		case len(r.numbers)+len(r.texts) > maxElements:
			t.Errorf("%d numbers and %d texts", len(r.numbers), len(r.texts))
		case err != nil && !errors.Is(err, errProtocol) && !errors.Is(err, io.EOF):
			t.Errorf("error %v", err)
		}
	})
}

func TestAppendEval(t *testing.T) {
	take := Take{Key: CounterKey{15: 0xff}, Rate: Rate{1 << 53, 24 * 3600e9}, Cost: 0}
	got := string(appendEval(nil, "EVALSHA", "name", OpPeek, []Take{take}))
	want := "*8\r\n$7\r\nEVALSHA\r\n$4\r\nname\r\n$1\r\n1\r\n" +
		"$62\r\ningest_auth:{limits}:000000000000000000000000000000ff:86400000\r\n" +
		"$4\r\npeek\r\n$8\r\n86400000\r\n$16\r\n9007199254740992\r\n$1\r\n0\r\n"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNotExecuted(t *testing.T) {
	for _, tc := range []struct {
		err  error
		hint string
		yes  bool
	}{
		{nil, "", false},
		{errGone, "", true},
		{io.EOF, "", false},
		{serverError("MOVED 3999 10.0.0.1:7000"), "10.0.0.1:7000", true},
		{serverError("MOVED 3999 node-1.example:7000"), "node-1.example:7000", true},
		{serverError("MOVED 3999 2001:db8::1:7000"), "[2001:db8::1]:7000", true},
		{serverError("MOVED 3999 :7000"), "[::1]:7000", true},
		{serverError("MOVED 3999"), "", false},
		{serverError("MOVED 3999 nowhere"), "", false},
		{serverError("READONLY You can't write against a read only replica. script: 1, on @user_script:28."), "", true},
		{serverError("ERR Error running script (call to f_1): @user_script:28: @user_script: 28: -READONLY You can't write against a read only replica."), "", true},
		{serverError("ASK 3999 10.0.0.1:7000"), "", false},
		{serverError("OOM command not allowed when used memory > 'maxmemory'."), "", false},
	} {
		if hint, yes := notExecuted(tc.err, "[::1]:6379"); hint != tc.hint || yes != tc.yes {
			t.Errorf("%v: %q, %v", tc.err, hint, yes)
		}
	}
}
