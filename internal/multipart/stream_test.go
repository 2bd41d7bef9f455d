package multipart

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

const partOf = "Content-Disposition: form-data; name="

var errLate = errors.New("late")

// lateKey refuses parts called key.
func lateKey(p Part) error {
	if string(p.Name) == "key" {
		return errLate
	}
	return nil
}

func crlfs(text string) string { return strings.ReplaceAll(text, "|", "\r\n") }

func newForm(t testing.TB) *Form {
	t.Helper()
	f, err := New("multipart/form-data; boundary=xx")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// readers give a body in pieces of different sizes.
var readers = map[string]func(io.Reader) io.Reader{
	"whole":         func(r io.Reader) io.Reader { return r },
	"byte by byte":  iotest.OneByteReader,
	"end with data": iotest.DataErrReader,
}

// stream passes body on, of which the first n bytes are the head.
func stream(t testing.TB, body string, n, known int, read func(io.Reader) io.Reader) (string, error) {
	t.Helper()
	s := newForm(t).Stream([]byte(body[:n]), io.NopCloser(read(strings.NewReader(body[n:]))), known, lateKey)
	b, err := io.ReadAll(s)
	return string(b), err
}

// TestStream: whatever arrives together, what passes is the body, and nothing of a value
// that may not be there.
func TestStream(t *testing.T) {
	file := "--xx|" + partOf + `"f"; filename="f"||` + strings.Repeat("0123456789|-xx|--x|", 900) + "|"
	for name, tc := range map[string]struct {
		body  string
		known int
		want  error
	}{
		"files":                       {file + file + "--xx--|", 0, nil},
		"a known key":                 {"--xx|" + partOf + `"key"||SECRET|` + file + "--xx--|", 1, nil},
		"an epilogue":                 {file + "--xx--|" + strings.Repeat("bye|", 4000), 0, nil},
		"a late key":                  {file + "--xx|" + partOf + `"key"||SECRET|--xx--|`, 0, errLate},
		"a late key, then a file":     {file + "--xx|" + partOf + `"key"||SECRET|` + file + "--xx--|", 0, errLate},
		"a key behind the end":        {file + "--xx--|--xx|" + partOf + `"key"||SECRET|--xx--|`, 0, errAfterEnd},
		"a boundary in a line":        {file + "--xx|" + partOf + `"a"||--xx|` + partOf + `"key"||SECRET|--xx--|`, 0, errLine},
		"a boundary in a value":       {file + "--xx|" + partOf + `"a"||b--xx|` + partOf + `"key"||SECRET|--xx--|`, 0, errLine},
		"a boundary in a header":      {file + "--xx|X: --xx|" + partOf + `"key"||SECRET|--xx--|`, 0, errLine},
		"a header without an end":     {file + "--xx|X: " + strings.Repeat("x", 3*maxHeader) + "||SECRET", 0, errTooLong},
		"no last boundary":            {file, 0, errTruncated},
		"half of the last boundary":   {file + "--xx-", 0, errTruncated},
		"half of a header":            {file + "--xx|" + partOf, 0, errTruncated},
		"nothing behind a boundary":   {file + "--xx", 0, errTruncated},
		"a header with two meanings":  {file + "--xx|" + partOf + `"a"; name="key"||SECRET|--xx--|`, 0, errName},
		"something behind the hyphen": {file + "--xx--|"[:len("--xx--|")-1] + "x", 0, errLine},
	} {
		body := crlfs(tc.body)
		for kind, read := range readers {
			for _, n := range []int{0, 60, len(body)} {
				if n == 0 && tc.known > 0 {
					continue
				}
				got, err := stream(t, body, n, tc.known, read)
				switch {
				case !errors.Is(err, tc.want):
					t.Errorf("%s, %s, %d in the head: %v, want %v", name, kind, n, err, tc.want)
				case err == nil && got != body:
					t.Errorf("%s, %s, %d in the head: the body is another, %d bytes of %d", name, kind, n, len(got), len(body))
				case err != nil && (strings.Contains(got, "SECRET") || !strings.HasPrefix(body, got)):
					t.Errorf("%s, %s, %d in the head: passes %q", name, kind, n, got[max(0, len(got)-200):])
				}
			}
		}
	}
}

// TestStreamWithoutCheck lets everything through: also what is no form.
func TestStreamWithoutCheck(t *testing.T) {
	body := crlfs("--xx|" + partOf + `"key"||SECRET|`)
	s := newForm(t).Stream([]byte(body[:10]), io.NopCloser(strings.NewReader(body[10:])), 0, nil)
	if b, err := io.ReadAll(s); err != nil || string(b) != body {
		t.Errorf("%q, %v", b, err)
	}
}

// TestStreamFails with the error of its source, and once it was closed.
func TestStreamFails(t *testing.T) {
	broken := errors.New("broken")
	s := newForm(t).Stream(nil, io.NopCloser(iotest.ErrReader(broken)), 0, lateKey)
	if _, err := io.ReadAll(s); !errors.Is(err, broken) {
		t.Errorf("broken: %v", err)
	}
	s = newForm(t).Stream([]byte(crlfs("--xx|"+partOf+`"a"||1|--xx--`)), http.NoBody, 0, lateKey)
	if _, err := s.Read(make([]byte, 5)); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if n, err := s.Read(make([]byte, 5)); n != 0 || !errors.Is(err, http.ErrBodyReadAfterClose) {
		t.Errorf("closed: %d, %v", n, err)
	}
}

// FuzzStream: pieces that arrive in any sizes make the same of a body as all of it at once.
func FuzzStream(f *testing.F) {
	f.Add([]byte(crlfs("--xx|"+partOf+`"a"||1|--xx|`+partOf+`"key"||K|--xx--|`)), uint16(7), uint16(3))
	f.Add([]byte(crlfs("pre|--xx|"+partOf+`"a"||--x|--xx--|end`)), uint16(1), uint16(1))
	f.Add([]byte(crlfs("|--xx--xx|")), uint16(0), uint16(2))
	form := newForm(f)
	f.Fuzz(func(t *testing.T, body []byte, head, piece uint16) {
		want := atOnce(form, body)
		n := int(head) % (len(body) + 1)
		src := &pieces{rest: body[n:], size: 1 + int(piece)%16}
		got, err := io.ReadAll(form.Stream(bytes.Clone(body[:n]), io.NopCloser(src), 0, lateKey))
		if (err == nil) != (want == nil) || err == nil && !bytes.Equal(got, body) || !bytes.HasPrefix(body, got) {
			t.Errorf("%q, head of %d, pieces of %d: %q, %v, at once %v", body, n, src.size, got, err, want)
		}
	})
}

// atOnce scans a whole body.
func atOnce(form *Form, body []byte) error {
	s := form.Scanner()
	for {
		b, found, err := s.Next(body, true)
		if err == nil && found && !b.Last {
			err = lateKey(b.Part)
		}
		if err != nil || !found {
			return err
		}
	}
}

// pieces gives so many bytes at a time.
type pieces struct {
	rest []byte
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, p.rest[:min(p.size, len(p.rest))])
	p.rest = p.rest[n:]
	return n, nil
}
