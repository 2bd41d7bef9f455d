package credential

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
)

const decoders = "../decodertest"

// paramNames are parameters that may have a resource.
var paramNames = []string{"_id", "project.id", "filter[id]"}

// TestDecoders: what any decoder of a backend reads as a credential or as a
// parameter of ours is found or refused, and nothing but that is cut.
func TestDecoders(t *testing.T) {
	c := newDecoderCheck(t)
	for _, q := range queries {
		if len(q.raw) < 1000 {
			c.check(t, q.raw)
			for _, name := range paramNames {
				c.check(t, strings.NewReplacer("apiKey", name, "APIKEY", strings.ToUpper(name)).Replace(q.raw))
			}
		}
	}
}

// FuzzDecoders is TestDecoders for queries made of pieces that matter.
func FuzzDecoders(f *testing.F) {
	c := newDecoderCheck(f)
	r := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		choices := make([]byte, 1+r.IntN(16))
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		var raw strings.Builder
		for _, choice := range choices[:min(len(choices), 40)] {
			raw.WriteString(queryPieces[int(choice)%len(queryPieces)])
		}
		c.check(t, raw.String())
	})
}

var queryPieces = []string{
	"apiKey", "apiKey", "APIKEY", "api", "Key", "piKey", "_apikey", ".apikey", "apikey", "api.token", "api_token", "api+token", "api[token",
	"filter[key]", "filter%5Bkey%5D", "[filter][key]", "filter[", "key", "api_secret", "api.secret", "my+key", "my%20key", "my_key", "api\u212aey",
	"_id", "_id", "_ID", "%5Fid", ".id", "id", "project.id", "project_id", "filter[id]", "a", "b", "x[y]", "%61", "%69",
	"?", "?", "#", "%3F", "%", "%a", "%zz", "%p", "%u0061", "%uff41", "%C1%A1", "%FF", "%EF%BB%BF", bom, "%00", "%20", "+", " ", "\t",
	"[", "]", "[]", "[0]", "%5B", "%5D", "=", "=", "==", "]=", "=K", "=K", "=L", "=K", "=%4B", "=a+b", "=%zz", "=%ff", "=%C3%A9",
	"&", "&", "&", "&", "&", "&", ";", "&&", "&apiKey=K&", "&a=1&", "&_id=1&",
}

type decoderCheck struct {
	decoders *decodertest.Decoders
	finder   *Finder
	params   map[string]*Param
}

func newDecoderCheck(t testing.TB) *decoderCheck {
	t.Helper()
	c := &decoderCheck{decodertest.Start(t, decoders, "decode"), newFinder(t, Options{Form: queryNames}), map[string]*Param{}}
	for _, name := range paramNames {
		p, err := NewParam(name)
		if err != nil {
			t.Fatal(err)
		}
		c.params[name] = p
	}
	return c
}

func (c *decoderCheck) check(t *testing.T, raw string) {
	t.Helper()
	before := c.decode(t, raw)
	c.checkCut(t, raw, before)
	for name, p := range c.params {
		checkValue(t, raw, before, name, p)
		checkPresent(t, raw, before, name, p)
	}
}

// decode returns what those decoders read that read raw by its separators. The
// one of URLs drops control characters, which queries cannot have.
func (c *decoderCheck) decode(t *testing.T, raw string) map[string][]decodertest.Pair {
	t.Helper()
	decoded := c.decoders.Decode(t, raw)
	if strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' }) {
		delete(decoded, "URL")
	}
	return decoded
}

// checkCut: every credential that a decoder reads is found, or the query is
// refused; afterwards no decoder reads one, and all else is read as before.
func (c *decoderCheck) checkCut(t *testing.T, raw string, before map[string][]decodertest.Pair) {
	t.Helper()
	s := new(Set)
	clean, err := c.finder.Form([]byte(raw), s)
	if err != nil {
		return
	}
	for decoder, pairs := range before {
		for _, p := range pairs {
			if name := readAs(decoder, p, queryNames, strings.EqualFold); name != "" && !wasFound(s, "form "+name, p.Value) {
				t.Errorf("%q: %s reads %q as %q; found %s", raw, decoder, p.Path, p.Value, list(s.Found()))
			}
		}
	}
	for decoder, pairs := range c.decode(t, string(clean)) {
		want := slices.DeleteFunc(slices.Clone(before[decoder]), func(p decodertest.Pair) bool { return readAs(decoder, p, queryNames, strings.EqualFold) != "" })
		for _, p := range pairs {
			if readAs(decoder, p, queryNames, strings.EqualFold) != "" {
				t.Errorf("%q, now %q: %s still reads %q", raw, clean, decoder, p.Path)
			}
		}
		if separates(decoder, raw) && pairString(pairs) != pairString(want) {
			t.Errorf("%q, now %q: %s reads %s, want %s", raw, clean, decoder, pairString(pairs), pairString(want))
		}
	}
}

// pairString writes pairs without the empty ones ("a&" has one for some decoders),
// and in order of their names: that of an object's members means nothing.
func pairString(pairs []decodertest.Pair) string {
	var all strings.Builder
	pairs = slices.Clone(pairs)
	slices.SortStableFunc(pairs, func(a, b decodertest.Pair) int { return strings.Compare(a.Path[0], b.Path[0]) })
	for _, p := range pairs {
		if len(p.Path) > 1 || p.Path[0] != "" || p.Value != "" {
			fmt.Fprintf(&all, "%q=%q ", p.Path, p.Value)
		}
	}
	return all.String()
}

// lateName is a parameter whose name ends behind its first '=' for qs.
var lateName = regexp.MustCompile(`(?i)=[^&]*(\]|%5D)=`)

// separates tells whether a decoder agrees on where the parameters of raw, and
// their names, end.
func separates(decoder, raw string) bool {
	switch {
	case decoder == "parse_qsl ;":
		return !strings.Contains(raw, "&")
	case strings.HasPrefix(decoder, "qs") && lateName.MatchString(raw), decoder == "URL" && strings.Contains(raw, "#"):
		return false
	}
	return !strings.Contains(raw, ";")
}

// wasFound tells whether a value of a credential is among those found, or need
// not be: it is empty, no key, or there are two already, which is a conflict. What
// is found may end earlier, at a separator (where qs decodes nothing if it cannot
// decode all), or later, behind a '#'.
func wasFound(s *Set, location, value string) bool {
	n := 0
	head := value[:strings.IndexAny(value+";", "&;")]
	decoded, _ := url.QueryUnescape(head)
	for _, f := range s.Found() {
		if f.Location != location {
			continue
		}
		n++
		key := string(f.Key)
		if f.Malformed || n == 2 || value == key || strings.HasPrefix(key, value+"#") || head != value && (key == head || key == decoded) {
			return true
		}
	}
	return value == "" || strings.Contains(value, "\ufffd") || s.blank && strings.ContainsAny(value, "&;")
}

// checkValue: if Value returns one, every decoder reads that one under exactly the
// name, and none another one in any case; if it returns none, no decoder reads one.
func checkValue(t *testing.T, raw string, before map[string][]decodertest.Pair, name string, p *Param) {
	t.Helper()
	value, ok, err := p.Value(raw)
	if err != nil {
		return
	}
	for decoder, pairs := range before {
		if !separates(decoder, raw) {
			continue
		}
		exactly, all := valuesOf(decoder, pairs, name, isSame), valuesOf(decoder, pairs, name, strings.EqualFold)
		if ok && len(exactly) == 0 || slices.ContainsFunc(all, func(v string) bool { return v != value }) {
			t.Errorf("%q: %s is %q, %t; %s reads %q", raw, name, value, ok, decoder, all)
		}
	}
}

// checkPresent: what is present is there for every decoder, with something to see.
func checkPresent(t *testing.T, raw string, before map[string][]decodertest.Pair, name string, p *Param) {
	t.Helper()
	if present, err := p.Present(raw); !present || err != nil {
		return
	}
	for decoder, pairs := range before {
		exactly, all := valuesOf(decoder, pairs, name, isSame), valuesOf(decoder, pairs, name, strings.EqualFold)
		if decoder != "parse_qsl ;" && (len(exactly) == 0 || slices.ContainsFunc(all, func(v string) bool { return strings.TrimSpace(v) == "" })) {
			t.Errorf("%q: %s is present; %s reads %q", raw, name, decoder, all)
		}
	}
}

func isSame(a, b string) bool { return a == b }

func valuesOf(decoder string, pairs []decodertest.Pair, name string, same func(a, b string) bool) (values []string) {
	for _, p := range pairs {
		if readAs(decoder, p, []string{name}, same) != "" {
			values = append(values, p.Value)
		}
	}
	return values
}

// readAs returns which of names a decoder takes a parameter for, or for an array
// or object in it, or "".
func readAs(decoder string, p decodertest.Pair, names []string, same func(a, b string) bool) string {
	for _, name := range names {
		if same(p.Path[0], name) {
			return name
		}
		path := strings.Split(strings.ReplaceAll(name, "]", ""), "[")
		if decoder == "parse_str" {
			path[0] = strings.NewReplacer(" ", "_", ".", "_").Replace(path[0])
		}
		if len(path) <= len(p.Path) && slices.EqualFunc(path, p.Path[:len(path)], same) {
			return name
		}
	}
	return ""
}

// TestDecodersReadWhatIsAmbiguous: the refusals of the table are none of our
// inventions: each decoder reads at least one of them as a credential.
func TestDecodersReadWhatIsAmbiguous(t *testing.T) {
	c := newDecoderCheck(t)
	for decoder, raw := range map[string]string{
		"URLSearchParams": "?apiKey=K", "formData": "?apiKey=K", "qs, ignoreQueryPrefix": "?apiKey=K", "qs": "[apiKey]=K",
		"parse_str": "api[secret=K", "parse_qsl ;": "a&b;apiKey=K", "URL": bom + "apiKey=K", "querystring": bom + "apiKey=K", "parse_qsl &": "apiKey%00&apiKey=K",
	} {
		if !slices.ContainsFunc(c.decode(t, raw)[decoder], func(p decodertest.Pair) bool {
			return readAs(decoder, p, queryNames, strings.EqualFold) != "" && p.Value == "K"
		}) {
			t.Errorf("%s reads no credential in %q", decoder, raw)
		}
		s := new(Set)
		if clean, err := c.finder.Form([]byte(raw), s); err == nil && bytes.Contains(clean, []byte("K")) {
			t.Errorf("%q: left %q", raw, clean)
		}
	}
}
