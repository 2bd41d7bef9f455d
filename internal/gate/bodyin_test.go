package gate_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// mixpanel are settings for clients that send their events in the field data of a form or of
// the query, with the key in each.
func mixpanel(set func(*config.Gate)) config.Gate {
	s := config.Gate{
		Credentials: []config.Location{{In: config.InBody, Names: []string{"token", "properties.token"}}, {In: config.InHeader, Names: []string{"X-Api-Key"}}},
		BodyIn:      []config.BodyIn{{In: "form", Names: []string{"data"}}, {In: "query", Names: []string{"data"}}},
	}
	set(&s)
	return s
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// form is a POST as browsers send it with fetch, text as navigator.sendBeacon sends it.
func form(target, body string) request {
	return request{target: target, body: body, header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
}

func beacon(target, body string) request {
	return request{target: target, body: body, header: http.Header{"Content-Type": {"text/plain;charset=UTF-8"}}}
}

func with(q request, name, value string) request {
	q.header = q.header.Clone()
	if q.header == nil {
		q.header = make(http.Header)
	}
	q.header.Set(name, value)
	return q
}

// events is what mixpanel-browser sends of two events.
func events(token string) string {
	return `[{"event":"a>b","properties":{` + token + `"n":1.0,"at":"~é?"}},{"event":"c","properties":{` + token + `"n":2}}]`
}

// TestDocumentInAField takes events in every way that Mixpanel's clients send them, and has
// the backend read all but the key.
func TestDocumentInAField(t *testing.T) {
	t.Parallel()
	full, rest := events(`"token":"`+keyA+`",`), events("")
	fields := map[string][2]string{
		"base64":             {url.QueryEscape(b64(full)), url.QueryEscape(b64(rest))},
		"base64 as it is":    {b64(full), b64(rest)}, // mixpanel for Node
		"JSON":               {url.QueryEscape(full), url.QueryEscape(rest)},
		"base64 of URLs":     {base64.URLEncoding.EncodeToString([]byte(full)), base64.URLEncoding.EncodeToString([]byte(rest))},
		"base64 of URLs raw": {base64.RawURLEncoding.EncodeToString([]byte(full)), base64.RawURLEncoding.EncodeToString([]byte(rest))},
	}
	kept := map[string]*site{
		"strip off":   start(t, mixpanel(func(s *config.Gate) { s.Strip = "off" }), map[string]keysync.Record{keyA: {}}),
		"enforce off": start(t, mixpanel(func(s *config.Gate) { s.Enforce = "off" }), map[string]keysync.Record{keyA: {}}),
	}
	cutting := map[string]*site{
		"strip on":              start(t, mixpanel(func(*config.Gate) {}), map[string]keysync.Record{keyA: {}}),
		"enforce off, strip on": start(t, mixpanel(func(s *config.Gate) { s.Enforce, s.Strip = "off", "on" }), map[string]keysync.Record{keyA: {}}),
		"bind body":             start(t, mixpanel(func(s *config.Gate) { s.Bind = "body" }), map[string]keysync.Record{keyA: {}}),
	}
	for way, field := range fields {
		for name, q := range map[string]struct{ sent, clean request }{
			"form":         {form("/track?ip=1&_=1", "ip=1&data="+field[0]+"&verbose=1"), form("/track?ip=1&_=1", "ip=1&data="+field[1]+"&verbose=1")},
			"beacon":       {beacon("/track?ip=1", "data="+field[0]), beacon("/track?ip=1", "data="+field[1])},
			"query":        {request{target: "/track?data=" + field[0] + "&ip=1"}, request{target: "/track?data=" + field[1] + "&ip=1"}},
			"key in head":  {with(form("/track", "data="+field[0]), "X-Api-Key", keyA), form("/track", "data="+field[1])},
			"without type": {request{target: "/", body: "data=" + field[0]}, request{target: "/", body: "data=" + field[1]}},
		} {
			for mode, s := range cutting {
				saw := s.one(t, way+", "+name+", "+mode, q.sent)
				if saw.uri != q.clean.target || saw.body != q.clean.body {
					t.Errorf("%s, %s, %s: the backend saw %s %s", way, name, mode, saw.uri, saw.body)
				}
				if hbd := claimsOf(t, saw.header)["hbd"]; mode == "bind body" && hbd != sha(saw.body) {
					t.Errorf("%s, %s: the assertion is bound to %v, and the body that is forwarded has %s", way, name, hbd, sha(saw.body))
				}
			}
			for mode, s := range kept {
				if saw := s.one(t, way+", "+name+", "+mode, q.sent); saw.uri != q.sent.target || saw.body != q.sent.body {
					t.Errorf("%s, %s, %s: the backend saw %s %s", way, name, mode, saw.uri, saw.body)
				}
			}
		}
	}
	for mode, s := range kept {
		if mode == "enforce off" && s.meter.verdicts["allowed"] != 25 {
			t.Errorf("%s: counted %v", mode, s.meter.verdicts)
		}
	}
}

// one sends a request that is let through, and returns what the backend saw.
func (s *site) one(t *testing.T, name string, q request) seen {
	t.Helper()
	got := s.do(t, q)
	if got.status != http.StatusOK || len(got.seen) != 1 {
		t.Fatalf("%s: %d %s", name, got.status, got.body)
	}
	return got.seen[0]
}

// claimsOf returns the claims of an assertion.
func claimsOf(t *testing.T, h http.Header) (claims map[string]any) {
	t.Helper()
	parts := strings.Split(h.Get(identityHeader), ".")
	if len(parts) != 3 {
		t.Fatalf("no assertion: %v", h)
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// TestDocumentIsTheBody: all that is said of bodies holds for a document in a field: what
// must be in it, how many items it has, resources, keys that differ.
func TestDocumentIsTheBody(t *testing.T) {
	t.Parallel()
	s := start(t, mixpanel(func(s *config.Gate) {
		s.Require = []config.Requirement{{Fields: []string{"event"}}}
		s.Resources = []config.Resource{{Name: "project", In: "body", At: "project"}}
		s.MaxItems, s.MaxBody = 2, 1000
	}), map[string]keysync.Record{keyA: {Resources: map[string][]string{"project": {"p1"}}}, keyB: {Resources: map[string][]string{"project": {"p1"}}}})
	row := func(members string) string {
		return `{"token":"` + keyA + `","event":"e","project":"p1"` + members + `}`
	}
	for name, tc := range map[string]struct {
		document string // of the field data in form and query
		want     answer
	}{
		"good":               {row(""), answer{200, ""}},
		"two rows":           {"[" + row("") + "," + row("") + "]", answer{200, ""}},
		"three rows":         {"[" + row("") + "," + row("") + "," + row("") + "]", answer{400, "too many items"}},
		"no event":           {`{"token":"` + keyA + `","project":"p1"}`, answer{400, "Missing field: event"}},
		"another project":    {strings.ReplaceAll(row(""), "p1", "p2"), answer{404, "Invalid project"}},
		"two keys":           {"[" + row("") + "," + strings.ReplaceAll(row(""), keyA, keyB) + "]", answer{400, "more than one API key"}},
		"an unknown key":     {strings.ReplaceAll(row(""), keyA, keyC), answer{401, "Invalid API key"}},
		"no key":             {`{"event":"e","project":"p1"}`, answer{401, "Missing API key"}},
		"a key twice":        {strings.ReplaceAll(row(""), `"event"`, `"token":"`+keyA+`","event"`), answer{400, "Duplicate field"}},
		"malformed":          {row("") + "}", answer{400, "Malformed JSON"}},
		"a field's spelling": {strings.ReplaceAll(row(""), "event", "Event"), answer{400, "Field must be spelled exactly: event"}},
		"too large":          {row(`,"x":"` + strings.Repeat("x", 1000) + `"`), answer{413, ""}},
	} {
		for way, field := range map[string]string{"base64": url.QueryEscape(b64(tc.document)), "JSON": url.QueryEscape(tc.document)} {
			s.check(t, map[string]request{name + ", " + way + " in a form": form("/", "data="+field)}, map[string]answer{name + ", " + way + " in a form": tc.want})
			s.check(t, map[string]request{name + ", " + way + " in the query": {target: "/?data=" + field}}, map[string]answer{name + ", " + way + " in the query": tc.want})
		}
	}
	good := url.QueryEscape(b64(row("")))
	s.check(t, map[string]request{
		"no field":                 with(form("/", "a=1"), "X-Api-Key", keyA),
		"no field, no body":        get("/", keyA),
		"neither JSON nor base64":  with(form("/", "data=hello"), "X-Api-Key", keyA),
		"twice":                    form("/", "data="+good+"&data="+good),
		"in form and query":        form("/?data="+good, "data="+good),
		"in query beside JSON":     postJSON("/?data="+good, "", row("")),
		"in query beside a file":   {target: "/?data=" + good, body: "x", header: http.Header{"Content-Type": {"image/png"}}},
		"JSON that is a form":      with(form("/", `{"event":"&data={}&x=","token":"`+keyA+`","project":"p1"}`), "X-Api-Key", keyA),
		"another spelling":         form("/", "Data="+good),
		"the same key in a header": with(form("/", "data="+good), "X-Api-Key", keyA),
		"another key in a header":  with(form("/", "data="+good), "X-Api-Key", keyB),
		"JSON as it is":            postJSON("/", "", row("")),
		"plus signs":               form("/", "data="+b64(`{"aaa": "`)+"++++"+b64(`x"}`)),
	}, map[string]answer{
		"no field":                 {400, "Missing field: event"},
		"no field, no body":        {400, "Missing field: event"},
		"neither JSON nor base64":  {400, "neither a JSON object or array nor the base64 of one"},
		"twice":                    {400, "Malformed request body"},
		"in form and query":        {400, "and there is a body, too"},
		"in query beside JSON":     {400, "and there is a body, too"},
		"in query beside a file":   {400, "and there is a body, too"},
		"JSON that is a form":      {400, "Malformed request body"},
		"another spelling":         {400, "Malformed request body"},
		"the same key in a header": {200, ""},
		"another key in a header":  {400, "more than one API key"},
		"JSON as it is":            {200, ""},
		"plus signs":               {400, "write + as %2B"},
	})
}

// TestFieldThatIsMissed: where only the number of items is checked, a form without the field
// has none to count.
func TestFieldThatIsMissed(t *testing.T) {
	t.Parallel()
	s := start(t, mixpanel(func(s *config.Gate) { s.MaxItems = 2 }), map[string]keysync.Record{keyA: {}})
	s.check(t, map[string]request{"form": with(form("/", "a=1"), "X-Api-Key", keyA)}, map[string]answer{"form": {400, "Missing field: data"}})
}

// TestEmptyBodyBesideADocument: one of unknown length that has nothing in it is no body.
func TestEmptyBodyBesideADocument(t *testing.T) {
	t.Parallel()
	s := start(t, mixpanel(func(*config.Gate) {}), map[string]keysync.Record{keyA: {}})
	for text, want := range map[string]int{"": 200, "x": 400} {
		r, err := http.NewRequest(http.MethodPost, s.URL+"/?data="+b64(`{"token":"`+keyA+`"}`), struct{ *strings.Reader }{strings.NewReader(text)})
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = -1
		resp, err := s.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%q: %d", text, resp.StatusCode)
		}
	}
}
