package gate_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func TestScopeForEveryMethodAndOne(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{Scopes: []config.Scope{{Names: []string{"events"}}, {Method: "DELETE", Names: []string{"admin"}}}}, map[string]keysync.Record{
		keyA: {Scopes: []string{"events"}}, keyB: {Scopes: []string{"events", "admin"}}, keyC: {Scopes: []string{"admin"}},
	})
	do := func(method, key string) request {
		return request{method: method, target: "/", header: http.Header{"X-Api-Key": {key}}}
	}
	g.check(t, map[string]request{
		"post": do("POST", keyA), "delete": do("DELETE", keyA), "delete as admin": do("DELETE", keyB), "post as admin only": do("POST", keyC),
	}, map[string]answer{"post": {200, ""}, "delete": {403, ""}, "delete as admin": {200, ""}, "post as admin only": {403, ""}})
}

func TestRequireInRows(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{
		Credentials: []config.Location{{In: config.InBody, Names: []string{"token"}}},
		Require: []config.Requirement{
			{Any: true, Fields: []string{"userId", "externalId", "email"}, In: "events"}, {Fields: []string{"event"}, In: "events"}, {Fields: []string{"sent"}},
		},
	}, map[string]keysync.Record{keyA: {}})
	with := func(rest string) request {
		return request{target: "/batch", body: `{"token":"` + keyA + `"` + rest + `}`, header: http.Header{"Content-Type": {"application/json"}}}
	}
	g.check(t, map[string]request{
		"rows":          with(`,"sent":1,"events":[{"userId":"u","event":"e"},{"email":"m","event":"e"}]`),
		"no rows":       with(`,"sent":1,"events":[]`),
		"row lacks any": with(`,"sent":1,"events":[{"userId":"u","event":"e"},{"event":"e"}]`),
		"row lacks all": with(`,"sent":1,"events":[{"userId":"u"}]`),
		"row is scalar": with(`,"sent":1,"events":[1]`),
		"top lacks":     with(`,"events":[{"userId":"u","event":"e"}]`),
		"no array":      with(`,"sent":1`),
		"not an array":  with(`,"sent":1,"events":{"userId":"u","event":"e"}`),
	}, map[string]answer{
		"rows":          {200, ""},
		"no rows":       {200, ""},
		"row lacks any": {400, `{"error":"Missing field: one of userId, externalId, email (item 1 of events)","code":"missing_field"}`},
		"row lacks all": {400, "Missing field: event (item 0 of events)"},
		"row is scalar": {400, "(item 0 of events)"},
		"top lacks":     {400, `"Missing field: sent"`},
		"no array":      {400, `"Missing field: events"`},
		"not an array":  {400, `"Missing field: events"`},
	})
}

func TestCredentialsInRows(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{Credentials: []config.Location{
		{In: config.InBody, Names: []string{"token"}}, {In: config.InBody, Names: []string{"token", "key"}, Rows: "events"},
	}}, map[string]keysync.Record{keyA: {}, keyB: {}})
	for body, want := range map[string]string{
		`{"token":"` + keyA + `","events":[{"a":1,"token":"` + keyA + `"},{"Key":"` + keyA + `"},1],"x":[{"a":1}]}`: `{"events":[{"a":1},{},1],"x":[{"a":1}]}`,
		`{"Events":[{"\u0074oken":"` + keyA + `","a":1}]}`:                                                          `{"Events":[{"a":1}]}`,
		`[{"events":[{"key":"` + keyA + `"}]},{"a":1}]`:                                                             `[{"events":[{}]},{"a":1}]`,
	} {
		resp := g.do(t, request{target: "/", body: body, header: http.Header{"Content-Type": {"application/json"}}})
		if resp.status != http.StatusOK {
			t.Errorf("%s: %d %s", body, resp.status, resp.body)
			continue
		}
		if len(resp.seen) != 1 || resp.seen[0].body != want {
			t.Errorf("%s: the backend saw %+v, want %s", body, resp.seen, want)
		}
	}
	for body, status := range map[string]int{
		`{"token":"` + keyA + `","events":[{"token":"` + keyB + `"}]}`: http.StatusBadRequest,
		`{"events":[{"token":"` + keyA + `","Token":1}]}`:              http.StatusBadRequest,
		`{"events":{"token":"` + keyA + `"}}`:                          http.StatusUnauthorized,
	} {
		if resp := g.do(t, postJSON("/", "", body)); resp.status != status {
			t.Errorf("%s: %d, want %d", body, resp.status, status)
		}
	}
}

func TestBodyShape(t *testing.T) {
	t.Parallel()
	bodies := map[string]request{
		"object":       postJSON("/", keyA, `{"a":1}`),
		"array":        postJSON("/", keyA, ` [{"a":1}]`),
		"empty array":  postJSON("/", keyA, ` [ ] `),
		"string":       postJSON("/", keyA, `"a"`),
		"lines":        {target: "/", body: "{}\n{}\n", header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {"application/x-ndjson"}}},
		"beacon":       {target: "/", body: "[1]", header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {"text/plain;charset=UTF-8"}}},
		"text":         {target: "/", body: "hello", header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {"text/plain"}}},
		"image":        {target: "/", body: "GIF89a", header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {"image/gif"}}},
		"empty post":   {method: "POST", target: "/", header: http.Header{"X-Api-Key": {keyA}}},
		"get":          get("/", keyA),
		"get with one": {method: "GET", target: "/", body: `{}`, header: http.Header{"X-Api-Key": {keyA}}},
	}
	array := answer{400, `{"error":"Body should be an array","code":"wrong_shape"}`}
	g := start(t, config.Gate{BodyShape: "array", MinItems: 1, MaxItems: 2}, map[string]keysync.Record{keyA: {}})
	g.check(t, bodies, map[string]answer{
		"object": array, "array": {200, ""}, "empty array": {400, "too_few_items"}, "string": array, "lines": array, "beacon": {200, ""}, "text": array,
		"image": {415, ""}, "empty post": array, "get": {200, ""}, "get with one": array,
	})
	object := answer{400, `{"error":"Body should be an object","code":"wrong_shape"}`}
	g = start(t, config.Gate{BodyShape: "object"}, map[string]keysync.Record{keyA: {}})
	g.check(t, bodies, map[string]answer{
		"object": {200, ""}, "array": object, "empty array": object, "string": object, "lines": object, "beacon": object, "text": object,
		"image": {415, ""}, "empty post": object, "get": {200, ""}, "get with one": {200, ""},
	})
}

// TestDigestsOfAnotherBody: when the body changes, no digest of the old one gets through in
// any spelling that a backend may fold to the name; while it does not, the plain one does.
func TestDigestsOfAnotherBody(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{}, map[string]keysync.Record{keyA: {}})
	names := []string{"Content-MD5", "Digest", "Content-Digest", "Repr-Digest"}
	digests := func() http.Header {
		h := http.Header{"Content-Type": {"application/json"}}
		for _, name := range names {
			for _, dash := range []string{"-", "_", "~", "."} {
				h[http.CanonicalHeaderKey(strings.ReplaceAll(name, "-", dash))] = []string{"old"}
			}
		}
		return h
	}
	seen := func(q request) (left []string) {
		got := g.do(t, q)
		if got.status != http.StatusOK || len(got.seen) != 1 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		for name, values := range got.seen[0].header {
			if values[0] == "old" {
				left = append(left, name)
			}
		}
		slices.Sort(left)
		return left
	}
	if left := seen(request{target: "/", body: `{"token":"` + keyA + `","a":1}`, header: digests()}); len(left) > 0 {
		t.Errorf("of a body that was changed: %v", left)
	}
	h := digests()
	h.Set("X-Api-Key", keyA)
	if left := seen(request{target: "/", body: `{"a":1}`, header: h}); !slices.Equal(left, []string{"Content-Digest", "Content-Md5", "Digest", "Repr-Digest"}) {
		t.Errorf("of a body that was not changed: %v", left)
	}
}
