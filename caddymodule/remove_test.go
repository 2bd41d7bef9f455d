package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// removing takes keys in three places and empties one of every other kind.
const removing = `
	credential header X-API-Key
	credential query apiKey
	credential body token
	remove bearer
	remove basic
	remove header X-Old-Key
	remove query old
	remove body legacy
	remove body token legacy in events
	remove form token
`

// removed are requests with the good key keyA, of which things go that are no
// credentials here, whatever they are: another good key, no text, there twice. The
// backend sees the target, the header and the body.
var removed = []struct{ name, target, header, value, contentType, body, wantTarget, wantBody string }{
	{"bearer", "/", "Authorization", "Bearer " + keyB, "", "", "/", ""},
	{"bearer, malformed", "/", "Authorization", "Bearer a=b, c", "", "", "/", ""},
	{"basic", "/", "Authorization", "Basic YTpi", "", "", "/", ""},
	{"header", "/", "X-Old-Key", keyB, "", "", "/", ""},
	{"query", "/?a=%7e&old=" + keyB + "&b=+", "", "", "", "", "/?a=%7e&b=+", ""},
	{"query, unreadable and twice", "/?OLD=%zz&b=1&old=" + keyB, "", "", "", "", "/?b=1", ""},
	{"body", "/", "", "", "application/json", `{"a":1.0,"legacy":"` + keyB + `"}`, "/", `{"a":1.0}`},
	{"body, no text and twice", "/", "", "", "application/json", `{"legacy":17,"a":1,"Legacy":["` + keyB + `"]}`, "/", `{"a":1}`},
	{"rows", "/", "", "", "application/json", `{"events":[{"token":"` + keyB + `","a":1},{"a":2,"token":null,"TOKEN":{}},{"legacy":"` + keyA + `"}]}`, "/", `{"events":[{"a":1},{"a":2},{}]}`},
	{"rows of NDJSON", "/", "", "", "application/x-ndjson", `{"events":[{"token":"` + keyB + `"}]}` + "\n" + `{"legacy":1}`, "/", `{"events":[{}]}` + "\n{}"},
	{"form", "/", "", "", "application/x-www-form-urlencoded", "a=1&token=" + keyB + "&b=2", "/", "a=1&b=2"},
}

func removingRecords() map[string]gatetest.Record {
	return map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b"}}
}

// removedRequest is a request of the table, with a key in a header if there is one.
func removedRequest(i int, key string) gatetest.Request {
	c := removed[i]
	req := gatetest.Request{Target: c.target, Body: c.body, Header: http.Header{"Content-Type": {c.contentType}}}
	if key != "" {
		req.Header.Set("X-Api-Key", key)
	}
	if c.header != "" {
		req.Header.Set(c.header, c.value)
	}
	return req
}

// TestRemove: a value in a place that is only emptied is cut, is not a credential
// and conflicts with none.
func TestRemove(t *testing.T) {
	for _, subdirectives := range []string{"", "conflict first", "enforce off\nstrip on"} {
		g, up := start(t, removing+subdirectives, removingRecords())
		for i, c := range removed {
			for _, framing := range gatetest.Framings {
				req := removedRequest(i, keyA)
				req.Framing = framing
				resp := g.Do(t, req)
				seen := up.Take()
				if resp.Status != http.StatusOK || len(seen) != 1 {
					t.Errorf("%s: %d %s", c.name, resp.Status, resp.Body)
					continue
				}
				if s := seen[0]; s.URI != c.wantTarget || s.Body != c.wantBody || c.header != "" && s.Header[c.header] != nil || strings.Contains(s.String(), keyB) {
					t.Errorf("%s: the backend saw\n%s", c.name, s)
				}
				if id := gatetest.Claims(t, seen[0].Header.Get("X-Ingest-Identity"))["key_id"]; id != "key_a" {
					t.Errorf("%s: passes as %v", c.name, id)
				}
			}
		}
		log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		if err != nil || strings.Contains(string(log), keyB) || !strings.Contains(string(log), "old=REDACTED") {
			t.Errorf("%s: the log has what was removed, or nothing (%v)", subdirectives, err)
		}
	}
}

// TestRemoveIsNoCredential: a good key in such a place is not a credential.
func TestRemoveIsNoCredential(t *testing.T) {
	g, up := start(t, removing, removingRecords())
	for i, c := range removed {
		if resp := g.Do(t, removedRequest(i, "")); resp.Status != http.StatusUnauthorized || !strings.Contains(resp.Body, "missing_key") {
			t.Errorf("%s: %d %s", c.name, resp.Status, resp.Body)
		}
	}
	if seen := up.Take(); len(seen) > 0 {
		t.Errorf("the backend saw\n%s", seen[0])
	}
}

// TestRemoveStays: with strip off, as in report mode, it stays like a credential.
func TestRemoveStays(t *testing.T) {
	for _, subdirectives := range []string{"strip off", "enforce off"} {
		g, up := start(t, removing+subdirectives, removingRecords())
		for i, c := range removed {
			resp := g.Do(t, removedRequest(i, keyA))
			if seen := up.Take(); resp.Status != http.StatusOK || len(seen) != 1 || seen[0].URI != c.target || seen[0].Body != c.body || c.header != "" && seen[0].Header.Get(c.header) != c.value {
				t.Errorf("%s, %s: %d %s, the backend saw %v", subdirectives, c.name, resp.Status, resp.Body, seen)
			}
		}
	}
}

// TestRemoveDefaultLocation: the places that are for keys if no others are named are
// for keys, too.
func TestRemoveDefaultLocation(t *testing.T) {
	for remove, want := range map[string]string{
		"remove bearer": "remove bearer: is also a place", "remove header x-api-key": "remove header: x-api-key is also a place", "remove query _apikey": "query: _apikey is also a place",
		"remove body Token": "body: Token is also a place", "remove body token in events": "", "remove basic": "",
	} {
		g := gatetest.New(t, nil)
		g.Write(t, "keys.json", gatetest.Keys(nil))
		err := g.Load(options + ":{{gate}} {\ningest_auth {\n" + remove + "\n}\n}\n")
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", remove, err, want)
		}
	}
}
