package gate_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

var (
	oneKey  = map[string]keysync.Record{keyA: {}}
	twoKeys = map[string]keysync.Record{keyA: {}, keyB: {}}
)

func base64Of(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// with returns the request with more headers.
func (q request) with(fields ...string) request {
	q.header = q.header.Clone()
	for i := 0; i < len(fields); i += 2 {
		q.header.Add(fields[i], fields[i+1])
	}
	return q
}

// withType returns a request with the key in a header and a body of a type.
func withType(target, contentType, body string) request {
	q := postJSON(target, keyA, body)
	q.header["Content-Type"] = []string{contentType}
	return q
}

// TestCopiesAreCut: wherever a client gives its key once more, the backend gets everything
// but that.
func TestCopiesAreCut(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{}, oneKey)
	formGate := start(t, config.Gate{Credentials: []config.Location{{In: config.InHeader, Names: []string{"X-API-Key"}}, {In: config.InForm, Names: []string{"key"}}}}, oneKey)
	unlooked := start(t, config.Gate{Credentials: []config.Location{{In: config.InHeader, Names: []string{"X-API-Key"}}}, Bind: "body"}, oneKey)
	for _, c := range []struct {
		name  string
		gate  *site
		q     request
		uri   string
		body  string
		place string
	}{
		{"deep in the body", s, postJSON("/t", keyA, `{"event":"e","properties":{"$token":"`+keyA+`","n":1.50}}`), "/t", `{"event":"e","properties":{"n":1.50}}`, "body"},
		{"in the body, which has the key", s, postJSON("/t", "", `{"token":"`+keyA+`","batch":[{"t":"`+keyA+`","a":1}]}`), "/t", `{"batch":[{"a":1}]}`, "body"},
		{"in lines", s, withType("/t", "application/x-ndjson", "{\"t\":\""+keyA+"\"}\n{\"a\":1}\n"), "/t", "{}\n{\"a\":1}\n", "body"},
		{"in a query", s, get("/t?a=1&sentry_key="+keyA+"&b=2", keyA), "/t?a=1&b=2", "", "query"},
		{"in the only parameter", s, get("/t?k="+keyA, keyA), "/t", "", "query"},
		{"in the path", s, get("/array/"+keyA+"/config.js?v=1", keyA), "/array/key_a/config.js?v=1", "", "path"},
		{"in an encoded path", s, get("/a%2fb/%6c"+keyA[1:]+"/x%20y", keyA), "/a%2fb/key_a/x%20y", "", "path"},
		{"in JSON that no setting looks into", unlooked, postJSON("/t", keyA, `{"event":"e","k":"`+keyA+`"}`), "/t", `{"event":"e"}`, "body"},
		{"in such JSON, said to be text", unlooked, withType("/t", "text/plain", "[\n {\"k\":\""+keyA+"\",\n \"n\":1.50}]"), "/t", "[\n {\n \"n\":1.50}]", "body"},
		{"in a form", formGate, withType("/t", "application/x-www-form-urlencoded", "a=1&token="+keyA+"&data="+base64Of(`{"k":"`+keyA+`","e":1}`)), "/t", "a=1&data=" + base64Of(`{"e":1}`), "form"},
	} {
		before := c.gate.meter.copied(c.place)
		got := c.gate.do(t, c.q)
		if got.status != http.StatusOK || len(got.seen) != 1 {
			t.Errorf("%s: %d %s", c.name, got.status, got.body)
			continue
		}
		seen := got.seen[0]
		if seen.uri != c.uri || seen.body != c.body {
			t.Errorf("%s: the backend got %s %s, want %s %s", c.name, seen.uri, seen.body, c.uri, c.body)
		}
		if c.body != "" && seen.header.Get("Content-Length") != fmt.Sprint(len(c.body)) {
			t.Errorf("%s: Content-Length %s", c.name, seen.header.Get("Content-Length"))
		}
		if n := c.gate.meter.copied(c.place); n != before+1 {
			t.Errorf("%s: counted %d in %s", c.name, n-before, c.place)
		}
	}
}

func (m *tallied) copied(place string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.copies[place]
}

// TestCopiesInHeaders: of any name, in any part of the value.
func TestCopiesInHeaders(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{}, oneKey)
	got := s.do(t, get("/t", keyA).with(
		"X-Token", keyA, "Cookie", "a=1; session="+keyA+"; b=2", "Referer", "https://app.example.com/?k="+keyA+"&page=2",
		"X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+keyA, "Authorization", "Basic "+base64Of(keyA+":"),
		"Sec-Websocket-Protocol", "events, "+keyA, "User-Agent", "sdk/1 ("+keyA+")", "X-Other", "somebody-elses-value-1234"))
	if got.status != http.StatusOK || len(got.seen) != 1 {
		t.Fatal(got.status, got.body)
	}
	h := got.seen[0].header
	for name, want := range map[string]string{
		"X-Token": "", "Cookie": "a=1; b=2", "Referer": "https://app.example.com/?page=2", "X-Sentry-Auth": "Sentry sentry_version=7", "Authorization": "",
		"Sec-Websocket-Protocol": "events", "User-Agent": "sdk/1 ()", "X-Other": "somebody-elses-value-1234",
	} {
		if h.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, h.Get(name), want)
		}
	}
	if s.meter.copied("header") != 1 || s.meter.copied("cookie") != 1 {
		t.Errorf("counted %v", s.meter.copies)
	}
}

// TestCopiesThatCannotBeCut: a cut that would change what else the request says is not made.
func TestCopiesThatCannotBeCut(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{
		Credentials: config.DefaultLocations(), Bind: "body", Resources: []config.Resource{{Name: "project", In: "body", At: "project", Optional: true}}, Require: []config.Requirement{{Any: true, Fields: []string{"event"}}},
	}, map[string]keysync.Record{keyA: {Resources: map[string][]string{"project": {"p1"}}}})
	opaque := start(t, config.Gate{Bind: "body"}, oneKey)
	refused := answer{http.StatusBadRequest, "key_elsewhere"}
	checks := map[string]request{
		"a type that would be another one":  withType("/t", "application/json; x="+keyA, `{"event":"e"}`),
		"what Connection lists":             postJSON("/t", keyA, `{"event":"e"}`).with("Connection", "x-"+keyA),
		"a name that would be a resource":   postJSON("/t", keyA, `{"event":"e","pro`+keyA+`ject":"p2"}`),
		"a name that would be a credential": postJSON("/t", keyA, `{"event":"e","to`+keyA+`ken":"other-key-0123456789"}`),
		"a member that is required":         postJSON("/t", keyA, `{"event":"`+keyA+`"}`),
		"a parameter that would be a key":   postJSON("/t?api"+keyA+"Key=other-key-0123456789", keyA, `{"event":"e"}`),
		"a scheme that would be a key":      postJSON("/t", keyA, `{"event":"e"}`).with("Authorization", "Bea"+keyA+"rer other-key-0123456789"),
	}
	for name, q := range checks {
		want := refused
		switch name { // the checks see what is left
		case "a member that is required":
			want.text = "missing_field"
		case "a name that would be a resource":
			want = answer{http.StatusNotFound, "resource_mismatch"}
		}
		if got := s.do(t, q); got.status != want.status || !strings.Contains(got.body, want.text) || len(got.seen) != 0 {
			t.Errorf("%s: %d %s, seen %d", name, got.status, got.body, len(got.seen))
		}
	}
	first := start(t, config.Gate{Credentials: config.DefaultLocations(), Conflict: "first"}, oneKey)
	first.check(t, map[string]request{"a name that would be a credential": postJSON("/t", keyA, `{"to`+keyA+`ken":"other-key-0123456789"}`)},
		map[string]answer{"a name that would be a credential": refused})
	opaque.check(t, map[string]request{
		"in what has lengths in it": withType("/t", "application/x-protobuf", "\x0a\x19"+keyA+"\x10\x01"),
		"in text":                   withType("/t", "application/xml", "<k>"+keyA+"</k>"),
		"no copy":                   withType("/t", "application/x-protobuf", "\x0a\x03abc"),
	}, map[string]answer{"in what has lengths in it": refused, "in text": {status: http.StatusOK}, "no copy": {status: http.StatusOK}})
}

// TestCopiesRefused: with `copies refuse` nothing is cut, and bodies are read of which nothing
// else is wanted.
func TestCopiesRefused(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{Copies: "refuse"}, oneKey)
	refused := func(place string) answer {
		return answer{http.StatusBadRequest, `another place, too: ` + place + `","code":"key_elsewhere"`}
	}
	s.check(t, map[string]request{
		"none":   postJSON("/t?x=1", keyA, `{"a":1}`),
		"query":  get("/t?x="+keyA, keyA),
		"cookie": get("/t", keyA).with("Cookie", "x="+keyA),
		"path":   get("/"+keyA, keyA),
		"body":   postJSON("/t", keyA, `{"a":["`+keyA+`"]}`),
		"opaque": withType("/t", "image/png", "\x89PNG "+keyA),
		"base64": withType("/t", "application/xml", "<k>"+base64Of("user:"+keyA)+"</k>"),
	}, map[string]answer{
		"none": {status: http.StatusOK}, "query": refused("query"), "cookie": refused("cookie"), "path": refused("path"), "body": refused("body"), "opaque": refused("body"), "base64": refused("body"),
	})
	if s.meter.verdicts["key_elsewhere"] != 6 {
		t.Errorf("verdicts %v", s.meter.verdicts)
	}
}

// TestCopiesKept: if the backend gets the key anyway, or copies are configured to stay.
func TestCopiesKept(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]config.Gate{"keep": {Copies: "keep"}, "strip off": {Strip: "off"}} {
		s := start(t, settings, oneKey)
		body := `{"a":"` + keyA + `"}`
		got := s.do(t, postJSON("/"+keyA+"?x="+keyA, keyA, body).with("X-Token", keyA))
		if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].uri != "/"+keyA+"?x="+keyA || got.seen[0].body != body || got.seen[0].header.Get("X-Token") != keyA {
			t.Errorf("%s: %d %s, %v", name, got.status, got.body, got.seen)
		}
		if len(s.meter.copies) != 0 {
			t.Errorf("%s: counted %v", name, s.meter.copies)
		}
	}
}

// TestCopiesAreReported: a gate that only reports changes nothing, and counts what it would
// have found outside of the locations of credentials.
func TestCopiesAreReported(t *testing.T) {
	t.Parallel()
	for policy, verdict := range map[string]string{"": "allowed", "refuse": "key_elsewhere", "keep": "allowed"} {
		s := start(t, config.Gate{Enforce: "off", Copies: policy}, oneKey)
		body := `{"token":"` + keyA + `","a":"` + keyA + `"}`
		for _, q := range []request{postJSON("/t?apiKey="+keyA, keyA, `{"token":"`+keyA+`"}`), postJSON("/"+keyA+"?x="+keyA, keyA, body).with("Cookie", "x="+keyA)} {
			got := s.do(t, q)
			if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].uri != q.target || got.seen[0].body != q.body || got.seen[0].header.Get("Cookie") != q.header.Get("Cookie") {
				t.Errorf("%s: %d %s, %v", policy, got.status, got.body, got.seen)
			}
		}
		want := "map[body:1 cookie:1 path:1 query:1]"
		if policy == "keep" {
			want = "map[]"
		}
		if got := fmt.Sprint(s.meter.copies); got != want {
			t.Errorf("%q: counted %s, want %s", policy, got, want)
		}
		if s.meter.verdicts[verdict] == 0 {
			t.Errorf("%q: verdicts %v", policy, s.meter.verdicts)
		}
	}
}

// TestCopiesAreSomebodys: an operator sees which client sends its key twice.
func TestCopiesAreSomebodys(t *testing.T) {
	t.Parallel()
	recorder := flow.NewRecorder()
	st := startWith(t, config.Gate{}, twoKeys, func(o *gate.Options) { o.Flow = recorder })
	st.do(t, get("/t?x="+keyA, keyA))
	st.do(t, get("/t", keyA).with("X-Token", keyA))
	st.do(t, get("/t", keyB))
	for _, k := range recorder.Keys(time.Now()) {
		want := "2 [query header]"
		if k.Record.KeyID == "key_b" {
			want = "0 []"
		}
		if got := fmt.Sprint(k.Copies.Sum(), k.CopiesIn); got != want {
			t.Errorf("%s: %s, want %s", k.Record.KeyID, got, want)
		}
	}
}

// TestCopiesInTrailers: they come at the end of a body that streams.
func TestCopiesInTrailers(t *testing.T) {
	t.Parallel()
	got := make(chan http.Header, 1)
	backend := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		got <- r.Trailer.Clone()
	})
	meter := newTallied()
	server := httptest.NewServer(middleware(backend, newGate(t, config.Gate{}, oneKey, func(o *gate.Options) { o.Meter = meter })))
	t.Cleanup(server.Close)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, io.MultiReader(strings.NewReader("<a/>")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = http.Header{"X-Api-Key": {keyA}, "Content-Type": {"application/xml"}}
	r.Trailer = http.Header{"X-Sum": {"1"}, "X-Sig": {"k=" + keyA}}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if trailer := <-got; trailer.Get("X-Sum") != "1" || len(trailer["X-Sig"]) != 0 {
		t.Errorf("trailers %v", trailer)
	}
	if meter.copied("trailer") != 1 {
		t.Errorf("counted %v", meter.copies)
	}
}

// TestCopiesForErrorRoutes: a request that is refused for something else may go on to an
// error route.
func TestCopiesForErrorRoutes(t *testing.T) {
	t.Parallel()
	const past = keysync.Moment(1)
	for name, c := range map[string]struct {
		settings config.Gate
		record   keysync.Record
	}{
		"after the body was read":   {settings: config.Gate{Scopes: []config.Scope{{Names: []string{"none"}}}}},
		"before the body was read":  {record: keysync.Record{ExpiresAt: past}},
		"of a gate that keeps keys": {settings: config.Gate{Strip: "off"}, record: keysync.Record{ExpiresAt: past}},
	} {
		c.settings.Errors = "caddy"
		g := newGate(t, c.settings, map[string]keysync.Record{keyA: c.record}, func(*gate.Options) {})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/a/"+keyA+"?x="+keyA, nil)
		r.Header = http.Header{"X-Api-Key": {keyA}, "X-Token": {"x " + keyA}}
		w := httptest.NewRecorder()
		middleware(http.NotFoundHandler(), g).ServeHTTP(w, r) // changes the URL and the header of r
		kept := c.settings.Strip == "off"
		if left := fmt.Sprint(r.URL, r.Header); w.Code < 400 || strings.Contains(left, keyA) != kept {
			t.Errorf("%s: %d, left %s", name, w.Code, left)
		}
	}
}

// TestShortKeysAreNoWords: a key that may be a word is cut as a whole value only, and one that
// may be any word not at all.
func TestShortKeysAreNoWords(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{}, map[string]keysync.Record{"acme-demo": {}, "demo": {}})
	for _, c := range [][3]string{
		{"acme-demo", `{"a":"acme-demo","b":"the acme-demo site"}`, `{"b":"the acme-demo site"}`},
		{"demo", `{"a":"demo"}`, `{"a":"demo"}`},
	} {
		got := s.do(t, postJSON("/t", c[0], c[1]))
		if len(got.seen) != 1 || got.seen[0].body != c[2] {
			t.Errorf("%s: %d %s, %v", c[0], got.status, got.body, got.seen)
		}
	}
}

// TestSomebodyElsesKeyStays: only the key of the request is a copy.
func TestSomebodyElsesKeyStays(t *testing.T) {
	t.Parallel()
	s := start(t, config.Gate{}, twoKeys)
	body := `{"a":"` + keyB + `"}`
	if got := s.do(t, postJSON("/t", keyA, body)); len(got.seen) != 1 || got.seen[0].body != body || len(s.meter.copies) != 0 {
		t.Errorf("%d %s, %v", got.status, got.body, got.seen)
	}
}
