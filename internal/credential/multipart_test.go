package credential

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
	"github.com/ingestauth/caddy-ingest-auth/internal/multipart"
)

const plainType = "multipart/form-data; boundary=xx"

// crlf writes a body with '|' for each line end.
func crlf(text string) string { return strings.ReplaceAll(text, "|", "\r\n") }

// field is a part of the boundary xx.
func field(name, value string) string {
	return `--xx|Content-Disposition: form-data; name="` + name + `"||` + value + "|"
}

const aFile = `--xx|Content-Disposition: form-data; name="dump"; filename="a.bin"|Content-Type: application/octet-stream||PNG|`

var multipartNames = []string{"api_key", "token"}

// multipartCases are bodies, and what they are without their keys; none if they are refused.
var multipartCases = []struct{ name, contentType, body, clean, found string }{
	{"first", "", field("api_key", "K") + field("a", "1") + "--xx--|", field("a", "1") + "--xx--|", "multipart api_key=K"},
	{"last", "", field("a", "1") + field("api_key", "K") + "--xx--|", field("a", "1") + "--xx--|", "multipart api_key=K"},
	{"between", "", field("a", "1") + field("api_key", "K") + aFile + "--xx--|", field("a", "1") + aFile + "--xx--|", "multipart api_key=K"},
	{"alone", "", field("api_key", "K") + "--xx--|", "--xx--|", "multipart api_key=K"},
	{"behind a file", "", aFile + field("api_key", "K") + "--xx--|", aFile + "--xx--|", "multipart api_key=K"},
	{"twice the same", "", field("api_key", "K") + field("a", "1") + field("api_key", "K") + "--xx--", field("a", "1") + "--xx--", "multipart api_key=K"},
	{"two that differ", "", field("api_key", "K") + field("api_key", "L") + "--xx--", "--xx--", "multipart api_key=K, multipart api_key=L"},
	{"two names", "", field("api_key", "K") + field("Token", "L") + "--xx--", "--xx--", "multipart api_key=K, multipart token=L"},
	{"empty", "", field("api_key", "") + field("a", "") + "--xx--", field("a", "") + "--xx--", ""},
	{"with a type", "", "--xx|Content-Disposition: form-data; name=\"api_key\"|Content-Type: text/plain; charset=utf-8||K|--xx--", "--xx--", "multipart api_key=K"},
	{"type first", "", "--xx|Content-Type: text/plain|Content-Disposition: form-data; name=\"api_key\"||K|--xx--", "--xx--", "multipart api_key=K"},
	{"spelled otherwise", "", "--xx|content-disposition:form-data ;  NAME=api_key||K|--xx--", "--xx--", "multipart api_key=K"},
	{"value of two lines", "", field("api_key", "K|L") + "--xx--", "--xx--", "multipart api_key=K\r\nL"},
	{"none", "", field("a", "api_key=K") + aFile + "--xx--|", field("a", "api_key=K") + aFile + "--xx--|", ""},
	{"a file of that name is no key", "", `--xx|Content-Disposition: form-data; name="api_key"; filename="k.txt"||K|--xx--`, `--xx|Content-Disposition: form-data; name="api_key"; filename="k.txt"||K|--xx--`, ""},
	{"name of a file with a backslash", "", strings.ReplaceAll(aFile, "a.bin", `C:\a.bin`) + "--xx--", strings.ReplaceAll(aFile, "a.bin", `C:\a.bin`) + "--xx--", ""},
	{"preamble and epilogue", "", "this is|" + field("api_key", "K") + field("a", "1") + "--xx--|the end|", "this is|" + field("a", "1") + "--xx--|the end|", "multipart api_key=K"},
	{"line end first", "", "|" + field("api_key", "K") + "--xx--|", "|--xx--|", "multipart api_key=K"},
	{"quoted boundary", `multipart/form-data; boundary="xx"`, field("api_key", "K") + "--xx--|", "--xx--|", "multipart api_key=K"},
	{"odd boundary", `Multipart/Form-Data; charset=utf-8; Boundary="=_x'+-./:?"`, strings.ReplaceAll(field("api_key", "K"), "xx", "=_x'+-./:?") + "--=_x'+-./:?--|", "--=_x'+-./:?--|", "multipart api_key=K"},
	{"boundary of hyphens", "multipart/form-data; boundary=----", strings.ReplaceAll(field("api_key", "K"), "xx", "----") + "--------|", "--------|", "multipart api_key=K"},
	{"a hyphen more in a value", "", field("a", "-xx") + field("api_key", "K") + "--xx--|", field("a", "-xx") + "--xx--|", "multipart api_key=K"},
	{"only removed", "", field("secret", "S") + field("a", "1") + "--xx--|", field("a", "1") + "--xx--|", ""},

	// What readers differ in.
	{"boundary in single quotes, spaces", "multipart/form-data; boundary=x x", field("api_key", "K") + "--xx--", "", ""},
	{"boundary twice", "multipart/form-data; boundary=xx; boundary=yy", field("api_key", "K") + "--xx--", "", ""},
	{"boundary in another parameter", "multipart/form-data; x=boundary=yy; boundary=xx", field("api_key", "K") + "--xx--", "", ""},
	{"boundary as of RFC 2231", "multipart/form-data; boundary*=utf-8''xx", field("api_key", "K") + "--xx--", "", ""},
	{"boundary with a comma", `multipart/form-data; boundary="xx,y"`, field("api_key", "K") + "--xx--", "", ""},
	{"boundary with an open quote", `multipart/form-data; boundary="xx`, field("api_key", "K") + "--xx--", "", ""},
	{"no boundary", "multipart/form-data", field("api_key", "K") + "--xx--", "", ""},
	{"empty boundary", "multipart/form-data; boundary=", field("api_key", "K") + "--xx--", "", ""},
	{"LF", "", strings.ReplaceAll(field("a", "1")+field("api_key", "K")+"--xx--", "|", "\n"), "", ""},
	{"LF before a boundary", "", field("a", "1") + "--xx|Content-Disposition: form-data; name=\"b\"||1\n--xx|Content-Disposition: form-data; name=\"api_key\"||K|--xx--", "", ""},
	{"boundary in a line", "", field("a", "x--xx|Content-Disposition: form-data; name=\"api_key\"||K") + "--xx--", "", ""},
	{"boundary and more on the line", "", field("a", "1|--xxy") + "--xx--", "", ""},
	{"boundary and a header on one line", "", "--xx--Content-Disposition: form-data; name=\"a\"||1|--xx--", "", ""},
	{"boundary, more, and a header on one line", "", "--xxyyContent-Disposition: form-data; name=\"a\"||1|--xx--", "", ""},
	{"padding behind the boundary", "", "--xx |Content-Disposition: form-data; name=\"api_key\"||K|--xx--", "", ""},
	{"a part behind the last boundary", "", field("a", "1") + "--xx--|" + field("api_key", "K") + "--xx--|", "", ""},
	{"last boundary and more on the line", "", field("a", "1") + "--xx--y|", "", ""},
	{"cut short", "", field("a", "1") + "--xx|Content-Disposition: form-data; name=\"api_key\"||K", "", ""},
	{"cut short in a header", "", field("a", "1") + "--xx|Content-Disposition: form-data; na", "", ""},
	{"no boundary at all", "", "api_key=K", "", ""},
	{"no empty line", "", "--xx|Content-Disposition: form-data; name=\"api_key\"|K|--xx--", "", ""},
	{"a value that the header's line end ends", "", "--xx|Content-Disposition: form-data; name=\"api_key\"||--xx--", "", ""},
	{"LF in a header", "", "--xx|X: y\nContent-Disposition: form-data; name=\"api_key\"|Content-Disposition: form-data; name=\"a\"||K|--xx--", "", ""},
	{"folded header", "", "--xx|Content-Disposition: form-data;| name=\"api_key\"||K|--xx--", "", ""},
	{"line without a colon", "", "--xx|Content-Disposition: form-data|; name=\"api_key\"||K|--xx--", "", ""},
	{"space before the colon", "", "--xx|Content-Disposition : form-data; name=\"api_key\"||K|--xx--", "", ""},
	{"two dispositions", "", "--xx|Content-Disposition: form-data; name=\"a\"|Content-Disposition: form-data; name=\"api_key\"||K|--xx--", "", ""},
	{"no disposition", "", "--xx|Content-ID: api_key||K|--xx--", "", ""},
	{"another disposition", "", "--xx|Content-Disposition: attachment; name=\"api_key\"||K|--xx--", "", ""},
	{"two names in one", "", "--xx|Content-Disposition: form-data; name=\"a\"; name=\"api_key\"||K|--xx--", "", ""},
	{"escaped quote", "", "--xx|Content-Disposition: form-data; name=\"a\\\"; x=\"; name=\"api_key\"||K|--xx--", "", ""},
	{"escaped quote in the name of a file", "", "--xx|Content-Disposition: form-data; filename=\"a\\\"; name=\"api_key\"||K|--xx--", "", ""},
	{"backslash in the name", "", field(`api\_key`, "K") + "--xx--", "", ""},
	{"single quotes", "", "--xx|Content-Disposition: form-data; name='api_key'||K|--xx--", "", ""},
	{"name as of RFC 2231", "", "--xx|Content-Disposition: form-data; name*=utf-8''api_key||K|--xx--", "", ""},
	{"name as of RFC 2047", "", field("=?utf-8?q?api=5Fkey?=", "K") + "--xx--", "", ""},
	{"percent-encoded name", "", field("api%5Fkey", "K") + "--xx--", "", ""},
	{"PHP's array", "", field("api_key[]", "K") + "--xx--", "", ""},
	{"PHP's underscore", "", field("api.key", "K") + "--xx--", "", ""},
	{"NUL in the name", "", field("api_key\x00", "K") + "--xx--", "", ""},
	{"invalid UTF-8 in the name", "", field("api_key\xff", "K") + "--xx--", "", ""},
	{"a file without a name", "", `--xx|Content-Disposition: form-data; name="api_key"; filename=""||K|--xx--`, "", ""},
	{"a file as of RFC 5987 only", "", `--xx|Content-Disposition: form-data; name="api_key"; filename*=utf-8''k||K|--xx--`, "", ""},
	{"base64", "", "--xx|Content-Disposition: form-data; name=\"api_key\"|Content-Transfer-Encoding: base64||Sw==|--xx--", "", ""},
	{"nested", "", "--xx|Content-Disposition: form-data; name=\"a\"|Content-Type: multipart/mixed; boundary=yy||--yy|Content-Disposition: form-data; name=\"api_key\"||K|--yy--|--xx--", "", ""},
}

func newMultipartFinder(t testing.TB) *Finder {
	t.Helper()
	return newFinder(t, Options{Multipart: multipartNames, Remove: Locations{Multipart: []string{"secret"}}})
}

// scanWhole returns a multipart body without its keys.
func scanWhole(f *Finder, contentType, body string, s *Set) (string, error) {
	form, err := multipart.New(contentType)
	if err != nil {
		return "", err
	}
	clean, _, err := f.Multipart([]byte(body), form, true, s)
	return string(clean), err
}

func TestMultipart(t *testing.T) {
	f := newMultipartFinder(t)
	for _, tc := range multipartCases {
		s := new(Set)
		clean, err := scanWhole(f, typeOf(tc.contentType), crlf(tc.body), s)
		switch {
		case tc.clean == "" && err == nil:
			t.Errorf("%s: passes as %q", tc.name, clean)
		case tc.clean != "" && (err != nil || clean != crlf(tc.clean)):
			t.Errorf("%s: %q, %v, want %q", tc.name, clean, err, crlf(tc.clean))
		case tc.clean != "" && list(s.Found()) != tc.found:
			t.Errorf("%s: found %s, want %s", tc.name, list(s.Found()), tc.found)
		}
	}
}

func typeOf(contentType string) string {
	if contentType == "" {
		return plainType
	}
	return contentType
}

// TestMultipartKeeps: with Keep, and in what is not whole, everything stays but is found.
func TestMultipartKeeps(t *testing.T) {
	body := crlf(field("api_key", "K") + aFile + "--xx--")
	form, err := multipart.New(plainType)
	if err != nil {
		t.Fatal(err)
	}
	s := new(Set)
	clean, parts, err := newFinder(t, Options{Keep: true, Multipart: multipartNames}).Multipart([]byte(body), form, true, s)
	if err != nil || string(clean) != body || parts != 2 || list(s.Found()) != "multipart api_key=K" {
		t.Errorf("%q, %d parts, %v, found %s", clean, parts, err, list(s.Found()))
	}
	f := newMultipartFinder(t)
	for n := range len(body) {
		s := new(Set)
		clean, parts, err := f.Multipart([]byte(body[:n]), form, false, s)
		key, end := strings.Index(body, "name="), strings.Index(body, "--xx\r\nContent-Disposition: form-data; name=\"dump\"")
		known := n >= key+len("name=\"api_key\"\r\n\r\n")
		switch {
		case errors.Is(err, ErrLate):
			if !known || n >= end+len(crlf(aFile)) {
				t.Errorf("the first %d bytes: the key is said to be late", n)
			}
		case err != nil:
			t.Errorf("the first %d bytes: %v", n, err)
		case len(s.Found()) == 1 && (strings.Contains(string(clean), "K") || !strings.HasPrefix(body[end:], string(clean))):
			t.Errorf("the first %d bytes: %q", n, clean)
		case len(s.Found()) == 0 && (known || parts != 0):
			t.Errorf("the first %d bytes: nothing found, %d parts", n, parts)
		}
	}
}

// TestMultipartDecoders: what any decoder of a backend reads as a credential is found, or
// the body refused, and nothing but that is cut.
func TestMultipartDecoders(t *testing.T) {
	c := newMultipartCheck(t)
	read := 0
	for _, tc := range multipartCases {
		read += c.check(t, typeOf(tc.contentType), crlf(tc.body))
	}
	if read < 50 {
		t.Errorf("decoders read %d keys only", read)
	}
}

// FuzzMultipart is TestMultipartDecoders for bodies made of pieces that matter.
func FuzzMultipart(f *testing.F) {
	c := newMultipartCheck(f)
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		choices := make([]byte, 4+r.IntN(24))
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		var body strings.Builder
		for _, choice := range choices[:min(len(choices), 40)] {
			body.WriteString(crlf(multipartPieces[int(choice)%len(multipartPieces)]))
		}
		c.check(t, plainType, body.String()+crlf("--xx--|"))
	})
}

var multipartPieces = []string{
	field("api_key", "K"), field("api_key", "L"), field("a", "1"), field("Token", "K"), field("b", "--x|-"), aFile, aFile,
	"--xx|", "--xx|", "|--xx|", "--xx", "--xx--", "--xx--|", "-", "x", "\n--xx\n", "\r--xx", "|", "|", "||", "\n", "\r", " ",
	"Content-Disposition: form-data; name=\"", "Content-Disposition: form-data; ", "content-disposition:form-data;name=", "Content-Disposition: ", "X-Y: z|",
	"Content-Type: text/plain|", "Content-Type: multipart/mixed; boundary=yy|", "Content-Transfer-Encoding: base64|", "name=", "name=\"api_key\"||", "; filename=\"f\"||", "; filename=\"\"||",
	"api_key", "api_key\"||", "api_key||K|", "a\"||", "\"", "\"", "\\\"", "\\", "'", "=", ";", "; name=\"", "*=utf-8''", "[]", ".", "%5F", "K|", "K", "L|", "\x00", "\xff",
}

type multipartCheck struct {
	decoders *decodertest.Decoders
	finder   *Finder
}

func newMultipartCheck(t testing.TB) *multipartCheck {
	t.Helper()
	if _, err := exec.LookPath("php-cgi"); err != nil {
		t.Skip("needs php-cgi: install it")
	}
	return &multipartCheck{decodertest.Start(t, decoders, "multipart"), newMultipartFinder(t)}
}

// check returns how many credentials decoders have read, and we as well.
func (c *multipartCheck) check(t *testing.T, contentType, body string) (read int) {
	t.Helper()
	s := new(Set)
	clean, err := scanWhole(c.finder, contentType, body, s)
	if err != nil {
		return 0
	}
	before, after := c.decoders.Decode(t, contentType+"\n"+body), c.decoders.Decode(t, contentType+"\n"+clean)
	for decoder, pairs := range before {
		var rest []decodertest.Pair
		for _, p := range pairs {
			switch name := fieldOf(p); {
			case name == "":
				rest = append(rest, p)
			case name == "secret" || p.Value == "":
			case !wasFound(s, "multipart "+name, p.Value):
				t.Errorf("%q: %s reads %q as %q; found %s", body, decoder, p.Path, p.Value, list(s.Found()))
			default:
				read++
			}
		}
		if got, want := fmt.Sprintf("%q", after[decoder]), fmt.Sprintf("%q", rest); got != want && len(after[decoder])+len(rest) > 0 {
			t.Errorf("%q, now %q: %s reads %s, want %s", body, clean, decoder, got, want)
		}
	}
	return read
}

// fieldOf returns the name of ours that a decoder has read a field of, "" if none.
func fieldOf(p decodertest.Pair) string {
	for _, name := range append(slices.Clone(multipartNames), "secret") {
		if strings.EqualFold(p.Path[0], name) {
			return name
		}
	}
	return ""
}
