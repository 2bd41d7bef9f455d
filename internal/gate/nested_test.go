package gate_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// passes sends JSON bodies and checks what the backend gets.
func (s *site) passes(t *testing.T, bodies map[string]string) {
	t.Helper()
	for body, want := range bodies {
		got := s.do(t, postJSON("/", "", body))
		if got.status != http.StatusOK || len(got.seen) != 1 || got.seen[0].body != want {
			t.Errorf("%s: %d %s, the backend saw %+v, want %s", body, got.status, got.body, got.seen, want)
		}
	}
}

// TestKeysBelowMembers: where clients put keys deep in the body, one of them counts, all of
// them go and two that differ conflict, at any levels.
func TestKeysBelowMembers(t *testing.T) {
	t.Parallel()
	records := map[string]keysync.Record{keyA: {}, keyB: {}}
	s := config.Gate{Credentials: []config.Location{
		{In: config.InBody, Names: []string{"api_key", "properties.token", "auth.token", `user\.token`}}, {In: config.InBody, Names: []string{"auth.token"}, Rows: "data.events"},
	}, Remove: []config.Location{{In: config.InBody, Names: []string{"properties.secret"}}}}
	bodies := func(key string) map[string]string {
		return map[string]string{
			`{"event":"e","properties":{"token":"` + key + `","id":1.0}}`:                                      `{"event":"e","properties":{"id":1.0}}`,
			`{"api_key":"` + key + `","batch":[{"properties":{"token":"other"}}]}`:                             `{"batch":[{"properties":{"token":"other"}}]}`,
			`[{"Properties":{"\u0074oken":"` + key + `"}},{"properties":[{"token":"` + key + `","a":1}]}]`:     `[{"Properties":{}},{"properties":[{"a":1}]}]`,
			`{"auth":{"token":"` + key + `"},"properties":{"secret":{"x":1},"a":"b"}}`:                         `{"auth":{},"properties":{"a":"b"}}`,
			`{"user.token":"` + key + `","user":{"token":1}}`:                                                  `{"user":{"token":1}}`,
			`{"data":{"events":[{"auth":{"token":"` + key + `"}},{"auth":{"token":"` + key + `","a":null}}]}}`: `{"data":{"events":[{"auth":{}},{"auth":{"a":null}}]}}`,
		}
	}
	g := start(t, s, records)
	g.passes(t, bodies(keyA))
	a, b := `"token":"`+keyA+`"`, `"token":"`+keyB+`"`
	g.check(t, map[string]request{
		"differ":            postJSON("/", "", `{"properties":{`+a+`},"auth":{`+b+`}}`),
		"differ, in rows":   postJSON("/", "", `[{"properties":{`+a+`}},{"properties":{`+b+`}}]`),
		"differ, in arrays": postJSON("/", "", `{"properties":[{`+a+`},{`+b+`}]}`),
		"twice":             postJSON("/", "", `{"properties":{`+a+`,`+a+`}}`),
		"way twice":         postJSON("/", "", `{"properties":{`+a+`},"Properties":{}}`),
		"not text":          postJSON("/", "", `{"properties":{"token":["`+keyA+`"]}}`),
		"unknown":           postJSON("/", "", `{"properties":{"token":"x"}}`),
		"elsewhere":         postJSON("/", "", `{"context":{`+a+`}}`),
		"array in an array": postJSON("/", "", `{"properties":[[{`+a+`}]]}`),
	}, map[string]answer{
		"differ": {400, "conflicting_credentials"}, "differ, in rows": {400, "conflicting_credentials"}, "differ, in arrays": {400, "conflicting_credentials"},
		"twice": {400, "duplicate_field"}, "way twice": {400, "duplicate_field"},
		"not text": {401, "invalid_key"}, "unknown": {401, "invalid_key"}, "elsewhere": {401, "missing_key"}, "array in an array": {401, "missing_key"},
	})

	s.Strip = "off"
	unchanged := make(map[string]string)
	for body := range bodies(keyA) {
		unchanged[body] = body
	}
	start(t, s, records).passes(t, unchanged)

	s.Enforce = "off"
	g = start(t, s, records)
	unchanged[`{"properties":{`+a+`},"auth":{`+b+`}}`] = `{"properties":{` + a + `},"auth":{` + b + `}}`
	g.passes(t, unchanged)
	if want := len(unchanged) - 1; g.meter.verdicts["allowed"] != want || g.meter.verdicts["conflicting_credentials"] != 1 {
		t.Errorf("verdicts %v, want %d allowed and a conflict", g.meter.verdicts, want)
	}
	s.Strip = "on"
	start(t, s, records).passes(t, bodies(keyA))

	s.Enforce, s.Conflict = "", "first"
	start(t, s, records).passes(t, map[string]string{`{"properties":{` + a + `},"auth":{` + b + `}}`: `{"properties":{},"auth":{}}`})
}

// TestPathsOfOtherSettings: all that names a member of the body takes a path.
func TestPathsOfOtherSettings(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{
		Resources: []config.Resource{{Name: "project", In: "body", At: "context.project"}},
		Require:   []config.Requirement{{Any: true, Fields: []string{"user.id", `user\.id`}}, {Fields: []string{"event.name"}, In: "data.events"}},
		Limits:    []config.Limit{{Rate: config.Rate{N: 3, Window: 1 << 50}, By: []string{"key"}, Cost: config.CostBodyItems, CostIn: "data.events"}},
	}, map[string]keysync.Record{keyA: {Resources: map[string][]string{"project": {"p"}}}, keyB: {Resources: map[string][]string{"project": {"p"}}}})
	with := func(key, project, user, events string) request {
		return postJSON("/", key, `{"context":{"project":`+project+`},`+user+`,"data":{"events":[`+events+`]}}`)
	}
	event := `{"event":{"name":"n"}}`
	g.check(t, map[string]request{
		"good":             with(keyA, `"p"`, `"user":{"id":1}`, event),
		"other project":    with(keyA, `"q"`, `"user":{"id":1}`, event),
		"no project":       with(keyA, `null`, `"user":{"id":1}`, event),
		"no user":          with(keyA, `"p"`, `"user":{}`, event),
		"no name":          with(keyA, `"p"`, `"user.id":1`, event+`,{"event":{}}`),
		"no events":        postJSON("/", keyA, `{"context":{"project":"p"},"user":{"id":1}}`),
		"project, twice":   postJSON("/", keyA, `{"context":{"project":"p","project":"p"},"user":{"id":1},"data":{"events":[]}}`),
		"context, twice":   postJSON("/", keyA, `{"context":{"project":"p"},"user":{"id":1},"data":{"events":[]},"context":{"project":"q"}}`),
		"context, as Case": postJSON("/", keyA, `{"Context":{"project":"p"},"user":{"id":1},"data":{"events":[]}}`),
		"as an array":      postJSON("/", keyB, `{"context":[{"project":"p"},{"project":"p"}],"user":[{"id":1}],"data":[{"events":[`+event+`]}]}`),
		"an array of two":  postJSON("/", keyA, `{"context":[{"project":"p"},{"project":"q"}],"user":{"id":1},"data":{"events":[]}}`),
	}, map[string]answer{
		"good": {200, ""}, "other project": {404, "resource_mismatch"}, "no project": {400, "missing_resource"},
		"no user": {400, `"Missing field: one of user.id, user.id"`}, "no name": {400, "Missing field: event.name (item 1 of data.events)"}, "no events": {400, `"Missing field: data.events"`},
		"project, twice": {400, "duplicate_field"}, "context, twice": {400, "duplicate_field"}, "context, as Case": {400, "Field must be spelled exactly: context"},
		"as an array": {200, ""}, "an array of two": {404, "resource_mismatch"},
	})
	g.check(t, map[string]request{"two more": with(keyA, `"p"`, `"user":{"id":1}`, event+`,`+event)}, map[string]answer{"two more": {200, ""}})
	g.check(t, map[string]request{"another": with(keyA, `"p"`, `"user":{"id":1}`, event)}, map[string]answer{"another": {429, "rate_limited"}})
}

// TestConcatenatedTexts: a body of several JSON texts has a row for each, as NDJSON has for
// each line, where it is allowed to; else nothing may follow the first.
func TestConcatenatedTexts(t *testing.T) {
	t.Parallel()
	token := func(key string) string { return `{"token":"` + key + `","event":1}` }
	s := config.Gate{
		Credentials: []config.Location{{In: config.InBody, Names: []string{"token"}}}, Require: []config.Requirement{{Fields: []string{"event"}}},
		MaxItems: 3, Resources: []config.Resource{{Name: "index", In: "body", At: "index", Optional: true}},
	}
	records := map[string]keysync.Record{keyA: {Resources: map[string][]string{"index": {"main"}}}, keyB: {}}
	one := start(t, s, records)
	s.BodyConcatenated = "on"
	g := start(t, s, records)
	g.passes(t, map[string]string{
		token(keyA) + token(keyA):                      `{"event":1}{"event":1}`,
		token(keyA) + "\r\n\n" + `{"event":2}` + " \t": `{"event":1}` + "\r\n\n" + `{"event":2}` + " \t",
		`{"event":2,"index":"main"}` + token(keyA):     `{"event":2,"index":"main"}{"event":1}`,
		token(keyA): `{"event":1}`,
		"[" + token(keyA) + "]" + `{"event":2,"x":[{}]}`: `[{"event":1}]{"event":2,"x":[{}]}`,
	})
	several := map[string]request{
		"lines":        {target: "/", body: token(keyA) + token(keyA) + "\n" + token(keyA), header: http.Header{"Content-Type": {"application/x-ndjson"}}},
		"text":         {target: "/", body: token(keyA) + token(keyA), header: http.Header{"Content-Type": {"text/plain"}}},
		"differ":       postJSON("/", "", token(keyA)+token(keyB)),
		"lacks event":  postJSON("/", "", token(keyA)+`{"a":1}`),
		"wrong index":  postJSON("/", "", token(keyA)+`{"event":1,"index":"other"}`),
		"four":         postJSON("/", "", strings.Repeat(token(keyA), 4)),
		"comma":        postJSON("/", "", token(keyA)+","+token(keyA)),
		"rest":         postJSON("/", "", token(keyA)+"}"),
		"half":         postJSON("/", "", token(keyA)+`{"event":1`),
		"key in rest":  postJSON("/", "", `{"event":1}{"event":2}`+token(keyA)),
		"no key":       postJSON("/", "", `{"event":1}{"event":2}`),
		"second twice": postJSON("/", "", token(keyA)+`{"event":1,"token":"`+keyA+`","Token":1}`),
	}
	g.check(t, several, map[string]answer{
		"lines": {200, ""}, "text": {200, ""}, "differ": {400, "conflicting_credentials"}, "lacks event": {400, "Missing field: event (item 1)"}, "wrong index": {404, ""},
		"four": {400, "too_many_items"}, "comma": {400, "Malformed JSON"}, "rest": {400, "Malformed JSON"}, "half": {400, "Malformed JSON"},
		"key in rest": {200, ""}, "no key": {401, "missing_key"}, "second twice": {400, "duplicate_field"},
	})
	malformed := make(map[string]answer)
	for name := range several {
		malformed[name] = answer{400, "Malformed JSON"}
	}
	one.check(t, several, malformed)

	s.BodyShape = "object"
	g = start(t, s, records)
	g.check(t, map[string]request{"two": postJSON("/", "", token(keyA)+token(keyA)), "one": postJSON("/", "", token(keyA))},
		map[string]answer{"two": {400, "wrong_shape"}, "one": {200, ""}})
}
