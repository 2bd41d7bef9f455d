package gate_test

import (
	"bufio"
	"context"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// pathCheck compares what a gate makes of a path with what decoders of backends read in it.
type pathCheck struct {
	decoders *decodertest.Decoders
	gate     *gate.Gate
	passed   int
}

// newPathCheck returns a check with a gate that takes a key from a header, too: so that only
// what it thinks of the path decides.
func newPathCheck(t testing.TB) *pathCheck {
	g := newGate(t, config.Gate{Credentials: inPath("/array/{key}/config.js", "/services/{key}/*")}, map[string]keysync.Record{"KEY": {KeyID: "key_a"}}, func(*gate.Options) {})
	return &pathCheck{decoders: decodertest.Start(t, "../decodertest", "path"), gate: g}
}

// keyIn returns the segment that a decoder takes for the key, "" if there is none.
func keyIn(segments []string) string {
	is := func(i int, want string) bool { return i < len(segments) && strings.EqualFold(segments[i], want) }
	if is(0, "array") && is(2, "config.js") && len(segments) == 3 || is(0, "services") && len(segments) > 1 {
		return segments[1]
	}
	return ""
}

// check: where a request passes, no decoder finds a key in the path any more, and what was no
// key is as it was.
func (c *pathCheck) check(t *testing.T, target string) {
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader("GET " + target + " HTTP/1.1\r\nHost: h\r\nX-Api-Key: KEY\r\n\r\n")))
	if err != nil {
		return
	}
	r = r.WithContext(context.WithValue(t.Context(), notesKey{}, new(notes)))
	forwarded := ""
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { forwarded = r.URL.RequestURI() })
	if err := (chain{[]*gate.Gate{c.gate}, next}).ServeHTTP(httptest.NewRecorder(), r); err != nil {
		t.Fatal(err)
	}
	if forwarded == "" {
		return
	}
	c.passed++
	before := c.decoders.Decode(t, target)
	for decoder, answers := range c.decoders.Decode(t, forwarded) {
		got, want := segmentsOf(answers), segmentsOf(before[decoder])
		if key := keyIn(got); key != "" && key != "key_a" {
			t.Errorf("%s becomes %s: %s reads the key %q", target, forwarded, decoder, key)
		}
		for i := range want {
			if want[i] == "KEY" && i < len(got) && got[i] == "key_a" {
				want[i] = "key_a"
			}
		}
		if strings.HasPrefix(target, "/") && !slices.Equal(got, want) {
			t.Errorf("%s becomes %s: %s reads %q, want %q", target, forwarded, decoder, got, want)
		}
	}
}

func segmentsOf(answers []decodertest.Pair) []string {
	if len(answers) == 0 {
		return nil
	}
	return append(slices.Clone(answers[0].Path), answers[0].Value)
}

// TestPathDecoders: paths that some decoder reads in another way than others.
func TestPathDecoders(t *testing.T) {
	t.Parallel()
	c := newPathCheck(t)
	for _, target := range []string{
		"/array/KEY/config.js", "/Array/%4bEY/Config.js", "/services/KEY", "/services/KEY/", "/services/KEY/a/b?x=/services/KEY", "/a/b", "/", "/x/array/KEY/config.js",
		"/array//KEY/config.js", "//array/KEY/config.js", "/array/./KEY/config.js", "/array/x/../KEY/config.js", "/%2e/services/KEY", "/services%2fKEY", "/services%5cKEY",
		`/services\KEY`, "/services;a/KEY", "/services;/KEY", "/services/KEY;a=b", "/services/KEY%3b", "/services/KEY%253b", "/services%252fKEY", "/services/KEY%00", "/services/KEY%2e",
		"/services/%20KEY", "/services/KEY%20", "/services/%C0%AFKEY", "/services./KEY", "http://h/services/KEY/x", "http://h//services/KEY",
	} {
		c.check(t, target)
	}
	if c.passed < 8 {
		t.Errorf("%d requests passed: there is next to nothing to compare", c.passed)
	}
}

// FuzzPathDecoders is TestPathDecoders for paths made of pieces that matter.
func FuzzPathDecoders(f *testing.F) {
	c := newPathCheck(f)
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		choices := make([]byte, 1+r.IntN(10))
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		f.Add(choices)
	}
	pieces := []string{
		"/array", "/array", "/services", "/services", "/KEY", "/KEY", "/config.js", "/config.js", "array", "services", "KEY", "/a", "/", "/", "/.", "/..", ".", ";", ";x=1", `\`, "?", "#",
		"%2f", "%2F", "%5c", "%2e", "%2e%2e", "%3b", "%25", "%252f", "%20", "%00", "%4b", "%65", "+", "//", "http://h", ":", "@", "%C3%A9", "*", "~", "&", "=",
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		var target strings.Builder
		for _, choice := range choices[:min(len(choices), 20)] {
			target.WriteString(pieces[int(choice)%len(pieces)])
		}
		c.check(t, target.String())
	})
}
