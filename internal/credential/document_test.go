package credential

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
)

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func rawURL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

// documentCases are forms, and what they are without their keys; none if they are refused.
var documentCases = []struct{ name, form, clean, found string }{
	{"base64", "data=" + url.QueryEscape(b64(`{"token":"K","a":1}`)) + "&ip=1", "data=" + url.QueryEscape(b64(`{"a":1}`)) + "&ip=1", "body token=K"},
	{"percent-encoded", "ip=1&data=" + url.QueryEscape(`{"a":1,"token":"K"}`), "ip=1&data=" + url.QueryEscape(`{"a":1}`), "body token=K"},
	{"as it is", `data={"a":"x y","token":"K"}&ip=1`, `data={"a":"x y"}&ip=1`, "body token=K"},
	{"rows", "data=" + url.QueryEscape(b64(`[{"token":"K","a":1},{"token":"K"}]`)), "data=" + url.QueryEscape(b64(`[{"a":1},{}]`)), "body token=K"},
	{"of URLs", "data=" + rawURL(`{"token":"K","a":"é~?>"}`), "data=" + rawURL(`{"a":"é~?>"}`), "body token=K"},
	{"escapes in a key", "data=" + url.QueryEscape(`{"token":"\u004b"}`), "data=" + url.QueryEscape(`{}`), "body token=K"},
	{"field before it is a key, too", "api_key=K&data=" + b64(`{"token":"K"}`) + "&a=1", "data=" + b64(`{}`) + "&a=1", "form api_key=K, body token=K"},
	{"two keys", "data=" + b64(`{"token":"L"}`) + "&api_key=K", "data=" + b64(`{}`), "form api_key=K, body token=L"},
	{"no key", "data=" + b64(`{"a":"\u004b"}`) + "&a=%7e+", "data=" + b64(`{"a":"\u004b"}`) + "&a=%7e+", ""},
	{"empty", "data=&a=1", "data=&a=1", ""},
	{"no value", "data&a=1", "data&a=1", ""},
	{"no document", "a=1", "a=1", ""},

	{"twice", "data=" + b64(`{"token":"K"}`) + "&data=" + b64(`{}`), "", ""},
	{"twice, once empty", "data=&data=" + b64(`{"token":"K"}`), "", ""},
	{"twice, once as an array of PHP", "data=" + b64(`{"token":"K"}`) + "&data[]=x", "", ""},
	{"another case", "Data=" + b64(`{"token":"K"}`), "", ""},
	{"array", "data[0]=" + b64(`{"token":"K"}`), "", ""},
	{"no JSON", "data=token", "", ""},
	{"malformed", "data=" + b64(`{"token":"K"`), "", ""},
	{"duplicate member", "data=" + b64(`{"token":"K","token":"L"}`), "", ""},
	{"semicolon behind it", `data={"token":"K"};a=1`, "", ""},
	{"semicolon before it", `a=1;data={"token":"K"}`, "", ""},
	{"semicolon in it", `data={"a":"x;y","token":"K"}`, "", ""},
	{"a name that ends late for qs", `data=["]=",{"token":"K"}]`, "", ""},
	{"bad escape", `data={"a":"%zz"}`, "", ""},
}

var documentOptions = Options{Form: []string{"api_key"}, Body: []string{"token"}, Documents: Documents{Form: []string{"data"}, Query: []string{"data"}}}

func TestFormDocument(t *testing.T) {
	f := newFinder(t, documentOptions)
	for _, tc := range documentCases {
		s := new(Set)
		clean, err := f.Form([]byte(tc.form), s)
		switch {
		case tc.clean == "" && err == nil:
			t.Errorf("%s: passes as %q", tc.name, clean)
		case tc.clean != "" && (err != nil || string(clean) != tc.clean):
			t.Errorf("%s: %q, %v, want %q", tc.name, clean, err, tc.clean)
		case tc.clean != "" && list(s.Found()) != tc.found:
			t.Errorf("%s: found %s, want %s", tc.name, list(s.Found()), tc.found)
		}
	}
}

// TestQueryDocument: as in a form, and the query stays the same string if nothing goes.
func TestQueryDocument(t *testing.T) {
	f, keep := newFinder(t, documentOptions), documentOptions
	keep.Keep = true
	keeper := newFinder(t, keep)
	for _, tc := range documentCases {
		if strings.Contains(tc.form, " ") || strings.Contains(tc.form, "api_key") {
			continue
		}
		s := new(Set)
		clean, err := f.Query(tc.form, s)
		if tc.clean == "" && err == nil || tc.clean != "" && (err != nil || clean != tc.clean || list(s.Found()) != tc.found) {
			t.Errorf("%s: %q, %v, found %s", tc.name, clean, err, list(s.Found()))
		}
		s = new(Set)
		kept, err := keeper.Query(tc.form, s)
		if tc.clean != "" && (err != nil || kept != tc.form || list(s.Found()) != tc.found) {
			t.Errorf("%s, kept: %q, %v, found %s", tc.name, kept, err, list(s.Found()))
		}
	}
	if clean, err := f.Query(`data={"token":"K"}#`, new(Set)); err == nil {
		t.Errorf("some end the query at '#': %s", clean)
	}
}

// TestDocumentThatGrows: without the key, base64 falls in another step and has more
// characters to be percent-encoded.
func TestDocumentThatGrows(t *testing.T) {
	for n := range 3 {
		rest := `"a":"` + strings.Repeat(">>?~", 20) + `"}`
		form := "data=" + b64(`{"token":"`+strings.Repeat("K", n+1)+`",`+rest) + "&z=1"
		if form = strings.ReplaceAll(form, "+", "%2B"); n > 0 {
			form = "a=1&" + form
		}
		clean, err := newFinder(t, documentOptions).Form([]byte(form), new(Set))
		values, parseErr := url.ParseQuery(string(clean))
		got, decodeErr := base64.StdEncoding.DecodeString(values.Get("data"))
		if err != nil || parseErr != nil || decodeErr != nil || string(got) != "{"+rest || values.Get("z") != "1" {
			t.Errorf("%q: %q: %s, %v", form, clean, got, err)
		}
	}
}

// TestDocumentDecoders: the document that any decoder of a backend reads has its key found
// and is afterwards the same without it, as are all other fields; or the form is refused.
func TestDocumentDecoders(t *testing.T) {
	c := newDocumentCheck(t)
	read := 0
	for _, tc := range documentCases {
		read += c.check(t, tc.form)
	}
	if read < 40 {
		t.Errorf("decoders read %d keys only", read)
	}
}

// FuzzDocument is TestDocumentDecoders for forms made of pieces that matter.
func FuzzDocument(f *testing.F) {
	c := newDocumentCheck(f)
	r := rand.New(rand.NewPCG(7, 8))
	for range 300 {
		choices := make([]byte, 2+r.IntN(12))
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		if len(choices) < 2 {
			return
		}
		var doc, rest strings.Builder
		for i, choice := range choices[2:min(len(choices), 40)] {
			to := &doc
			if i%4 == 3 && choices[1]&8 != 0 {
				to = &rest
			}
			to.WriteString(documentPieces[int(choice)%len(documentPieces)])
		}
		ways := documentWays[int(choices[0])%len(documentWays)]
		shape := documentShapes[int(choices[1])%len(documentShapes)]
		c.check(t, "a=1&data="+ways(strings.ReplaceAll(shape, "X", doc.String()))+rest.String())
	})
}

var documentWays = []func(string) string{
	url.QueryEscape, b64, rawURL, func(s string) string { return url.QueryEscape(b64(s)) }, func(s string) string { return s },
	func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) }, func(s string) string { return base64.RawStdEncoding.EncodeToString([]byte(s)) },
}

var documentShapes = []string{"{X}", "[{X}]", `{X"z":1}`, "X", `{"token":"K",X"z":">?~"}`, `{"a":"X"}`, `[{"token":"K"},{X}]`, `{"a":1X}`}

var documentPieces = []string{
	`"token":"K",`, `"token":"K"`, `,"token":"K"`, `"Token":"K",`, `"tok\u0065n":"K",`, `"b":"~>?",`, `"c":[{"token":"x"}],`, `"d":"é",`, `"e":1.50,`, ",", " ", "{", "}", "[", "]", `"`,
	`\`, "+", "++++", "%", "%20", "&", "&data=", "&data", "&b=2", ";", "=", "]=", "\n", "~", ">", "?", "/", "-", "_", "#",
}

type documentCheck struct {
	decoders *decodertest.Decoders
	finder   *Finder
}

func newDocumentCheck(t testing.TB) *documentCheck {
	t.Helper()
	return &documentCheck{decodertest.Start(t, decoders, "document"), newFinder(t, documentOptions)}
}

// check returns how many keys decoders have read, and we as well.
func (c *documentCheck) check(t *testing.T, form string) (read int) {
	t.Helper()
	s := new(Set)
	clean, err := c.finder.Form([]byte(form), s)
	if err != nil {
		return 0
	}
	before, after := c.decoders.Decode(t, form), c.decoders.Decode(t, string(clean))
	for decoder := range before {
		want, keys := withoutTokens(t, before[decoder])
		for _, key := range keys {
			if !wasFound(s, "body token", key) {
				t.Errorf("%q: %s reads %q; found %s", form, decoder, key, list(s.Found()))
			}
		}
		read += len(keys)
		got, left := withoutTokens(t, after[decoder])
		if len(left) > 0 || readsAll(before[decoder]) && !reflect.DeepEqual(got, want) {
			t.Errorf("%q, now %q: %s reads %v, want %v", form, clean, decoder, got, want)
		}
	}
	return read
}

// readsAll tells whether a decoder finds a document in every field that should be one.
func readsAll(pairs []decodertest.Pair) bool {
	return !slices.ContainsFunc(pairs, func(p decodertest.Pair) bool { return p.Path[0] == "data" && p.Value == "" })
}

// withoutTokens returns the fields that a decoder reads, with the document decoded, and the
// tokens that it took out of that.
func withoutTokens(t *testing.T, pairs []decodertest.Pair) (fields []any, tokens []string) {
	t.Helper()
	for _, p := range pairs {
		var doc any
		switch {
		case p.Path[0] == "api_key":
		case p.Path[0] != "data" || p.Value == "":
			fields = append(fields, p)
		case json.Unmarshal([]byte(p.Value), &doc) != nil:
			t.Fatalf("no JSON: %s", p.Value)
		default:
			tokens = append(tokens, takeTokens(doc)...)
			fields = append(fields, p.Path, doc)
		}
	}
	return fields, tokens
}

// takeTokens deletes the tokens in the object or objects of a document.
func takeTokens(doc any) (tokens []string) {
	switch doc := doc.(type) {
	case []any:
		for _, row := range doc {
			if row, ok := row.(map[string]any); ok {
				tokens = append(tokens, takeTokens(row)...)
			}
		}
	case map[string]any:
		for name, value := range doc {
			if text, ok := value.(string); strings.EqualFold(name, "token") {
				delete(doc, name)
				if ok && text != "" {
					tokens = append(tokens, text)
				}
			}
		}
	}
	return tokens
}
