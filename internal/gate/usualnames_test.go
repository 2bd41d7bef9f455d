package gate_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// TestUsualNames: a gate without `credential` has one list of names for query, body and form.
// A value that no record knows stays where it is.
func TestUsualNames(t *testing.T) {
	t.Parallel()
	g := start(t, config.Gate{}, map[string]keysync.Record{keyA: {}})
	typed := func(contentType, target, body string) request {
		return request{method: http.MethodPost, target: target, body: body, header: http.Header{"Content-Type": {contentType}}}
	}
	for _, name := range []string{"apiKey", "api_key", "_apikey", "token", "access_token", "writeKey", "WRITEKEY"} {
		for place, c := range map[string]struct{ key, stranger request }{
			"query": {request{target: "/?a=1&" + name + "=" + keyA}, get("/?a=1&"+name+"="+keyC, keyA)},
			"body":  {typed("application/json", "/", `{"a":1,"`+name+`":"`+keyA+`"}`), typed("application/json", "/", `{"a":1,"`+name+`":"`+keyC+`"}`)},
			"form":  {typed("application/x-www-form-urlencoded", "/", "a=1&"+name+"="+keyA), typed("application/x-www-form-urlencoded", "/", "a=1&"+name+"="+keyC)},
		} {
			got := g.do(t, c.key)
			if got.status != http.StatusOK || len(got.seen) != 1 || strings.Contains(got.seen[0].uri+got.seen[0].body, name) {
				t.Errorf("%s in %s: %d %s, seen %v", name, place, got.status, got.body, got.seen)
			}
			c.stranger.header.Set("X-Api-Key", keyA)
			got = g.do(t, c.stranger)
			if got.status != http.StatusOK || len(got.seen) != 1 || !strings.Contains(got.seen[0].uri+got.seen[0].body, keyC) {
				t.Errorf("a stranger's %s in %s: %d %s, seen %v", name, place, got.status, got.body, got.seen)
			}
		}
	}
	for _, name := range []string{"X-Api-Key", "Api-Key", "Api_key"} {
		got := g.do(t, request{target: "/", header: http.Header{name: {keyA}}})
		if got.status != http.StatusOK || got.seen[0].header[name] != nil {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

// TestChallenge: a client is asked for the scheme that the gate takes.
func TestChallenge(t *testing.T) {
	t.Parallel()
	scheme := config.Location{In: config.InScheme, Names: []string{"Token", "Splunk"}}
	for want, locations := range map[string][]config.Location{
		`Bearer realm="ingest"`: {scheme, {In: config.InBearer}},
		`Token realm="ingest"`:  {{In: config.InQuery, Names: []string{"k"}}, scheme},
		`ApiKey realm="ingest"`: {{In: config.InCookie, Names: []string{"k"}}},
	} {
		g := start(t, config.Gate{Credentials: locations}, nil)
		if got := g.do(t, request{target: "/"}); got.header.Get("WWW-Authenticate") != want {
			t.Errorf("%s, want %s", got.header.Get("WWW-Authenticate"), want)
		}
	}
}
