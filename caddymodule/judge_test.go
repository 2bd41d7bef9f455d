package caddymodule_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

const foreign = "c3RyYW5nZXI-device-token"

// TestSomebodyElsesValue: on a gate that names no locations, a value in one of the
// usual places is a key only if some record knows it. Every other value belongs to
// the client or the backend: it arrives as it came, and is no conflict.
func TestSomebodyElsesValue(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b"}, keyD: {"revoked_at": "2020-01-01T00:00:00Z"}})
	json := func(body string, header http.Header) gatetest.Request {
		if header == nil {
			header = http.Header{}
		}
		header.Set("Content-Type", "application/json")
		return gatetest.Request{Target: "/track", Body: body, Header: header}
	}
	apiKey := func(key string) http.Header { return http.Header{"X-Api-Key": {key}} }
	for name, tc := range map[string]struct {
		request gatetest.Request
		status  int
		code    string // of the error
		left    string // in what the backend saw
	}{
		"device token":       {json(`{"token":"`+foreign+`"}`, apiKey(keyA)), 200, "", `{"token":"` + foreign + `"}`},
		"an object":          {json(`{"token":{"a":1}}`, apiKey(keyA)), 200, "", `{"token":{"a":1}}`},
		"a number":           {json(`{"token":123}`, apiKey(keyA)), 200, "", `{"token":123}`},
		"user's own bearer":  {json(`{"a":1}`, http.Header{"X-Api-Key": {keyA}, "Authorization": {"Bearer " + foreign}}), 200, "", "Authorization: Bearer " + foreign},
		"user's own header":  {json(`{"token":"`+keyA+`"}`, apiKey(foreign)), 200, "", "X-Api-Key: " + foreign},
		"user's own query":   {gatetest.Request{Target: "/t?apiKey=" + foreign + "&api_key=" + keyA}, 200, "", "/t?apiKey=" + foreign},
		"rows of them":       {json(`[{"token":"x"},{"token":"y"},{"token":"`+keyA+`"}]`, nil), 200, "", `[{"token":"x"},{"token":"y"},{}]`},
		"damaged key":        {json(`{"token":"iak_live_x"}`, apiKey(keyA)), 200, "", `{"token":"iak_live_x"}`},
		"alone in the head":  {json(`{"a":1}`, apiKey(foreign)), 401, "invalid_key", ""},
		"alone in the body":  {json(`{"token":"`+foreign+`"}`, nil), 401, "invalid_key", ""},
		"only an object":     {json(`{"token":{}}`, nil), 401, "missing_key", ""},
		"two keys":           {json(`{"token":"`+keyB+`"}`, apiKey(keyA)), 400, "conflicting_credentials", ""},
		"two keys, stranger": {json(`{"token":"`+foreign+`","api_key":"`+keyB+`"}`, apiKey(keyA)), 400, "conflicting_credentials", ""},
		"two keys, split":    {json(`{"a":1}`, http.Header{"X-Api-Key": {keyA}, "Authorization": {"Bearer\t" + keyB}}), 400, "conflicting_credentials", ""},
		"two keys, trimmed":  {gatetest.Request{Target: "/t?apiKey=" + keyB + "%20", Header: apiKey(keyA)}, 400, "conflicting_credentials", ""},
		"two keys, coerced":  {json(`{"token":["`+keyB+`"]}`, apiKey(keyA)), 400, "conflicting_credentials", ""},
		"one, split":         {json(`{"a":1}`, http.Header{"Authorization": {"Bearer " + keyA + " x"}}), 401, "invalid_key", ""},
		"one, split, twice":  {json(`{"a":1}`, http.Header{"Authorization": {"Bearer " + keyA + " x"}, "X-Api-Key": {keyA}}), 400, "conflicting_credentials", ""},
		"revoked, stranger":  {json(`{"token":"`+foreign+`"}`, apiKey(keyD)), 401, "invalid_key", ""},
		"very many":          {json(manyTokens(17), apiKey(keyA)), 400, "too_many_candidates", ""},
		"not too many":       {json(manyTokens(15), apiKey(keyA)), 200, "", manyTokens(15)},
	} {
		for _, f := range gatetest.Framings {
			t.Run(fmt.Sprint(name, "/", f), func(t *testing.T) {
				req := tc.request
				req.Framing = f
				resp := g.Do(t, req)
				if resp.Status != tc.status || tc.code != "" && !strings.Contains(resp.Body, `"`+tc.code+`"`) {
					t.Fatalf("status %d: %s", resp.Status, resp.Body)
				}
				seen := up.Take()
				if tc.status != http.StatusOK {
					if len(seen) > 0 {
						t.Errorf("backend saw %s", seen)
					}
					return
				}
				if text := seen[0].String(); !strings.Contains(text, tc.left) || strings.Contains(text, keyA) {
					t.Errorf("backend saw %s; want %s in it, and no key", text, tc.left)
				}
				if id := gatetest.Claims(t, seen[0].Header.Get("X-Ingest-Identity"))["key_id"]; id != "key_a" {
					t.Errorf("key_id %v", id)
				}
			})
		}
	}
}

func manyTokens(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `%c{"token":"device-%d"}`, "[,"[min(i, 1)], i)
	}
	return b.String() + "]"
}

// TestNamedLocationHoldsKeys: every value in a configured location is a key,
// known or not.
func TestNamedLocationHoldsKeys(t *testing.T) {
	g, up := start(t, "credential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}})
	header := http.Header{"X-Api-Key": {keyA}, "Content-Type": {"application/json"}}
	for body, status := range map[string]int{`{"token":"` + foreign + `"}`: 400, `{"token":123}`: 400, `{"token":null}`: 200, `{"token":"` + keyA + `"}`: 200} {
		if resp := g.Do(t, gatetest.Request{Target: "/", Body: body, Header: header.Clone()}); resp.Status != status {
			t.Errorf("%s: status %d, want %d: %s", body, resp.Status, status, resp.Body)
		}
	}
	up.Take()
}

// TestStrangersAreNoFailures: limit_failures counts requests that were refused for
// their key, not values that belong to somebody else.
func TestStrangersAreNoFailures(t *testing.T) {
	g, up := start(t, "limit_failures 2/1h by ip", map[string]gatetest.Record{keyA: {}})
	both := http.Header{"X-Api-Key": {keyA}, "Authorization": {"Bearer " + foreign}}
	for range 5 {
		if resp := g.Do(t, gatetest.Request{Target: "/", Header: both.Clone()}); resp.Status != http.StatusOK {
			t.Fatalf("status %d: %s", resp.Status, resp.Body)
		}
	}
	up.Take()
	for i, want := range []int{401, 401, 429} {
		if resp := g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {foreign}}}); resp.Status != want {
			t.Errorf("failure %d: status %d, want %d", i, resp.Status, want)
		}
	}
}

// TestKeysWithControlCharacters: a key is any text of 1 to 4,096 bytes. Bytes that
// no header can carry arrive in a query or a body.
func TestKeysWithControlCharacters(t *testing.T) {
	const odd = "canary\n\x01\x7f"
	g, up := start(t, "", map[string]gatetest.Record{odd: {}})
	for name, req := range map[string]gatetest.Request{
		"query": {Target: "/?apiKey=canary%0A%01%7F"},
		"body":  {Target: "/", Body: `{"token":"canary\n\u0001\u007f"}`, Header: http.Header{"Content-Type": {"application/json"}}},
	} {
		if resp := g.Do(t, req); resp.Status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", name, resp.Status, resp.Body)
		}
		if seen := up.One(t).String(); strings.Contains(seen, "canary") {
			t.Errorf("%s: backend saw %s", name, seen)
		}
	}
}

// TestKeyThatARewriteTookAway: a key in the query as the client sent it, of which a
// rewrite has left nothing, says neither who is calling nor that there are two.
func TestKeyThatARewriteTookAway(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, "uri query -apiKey\ningest_auth\nreverse_proxy {{upstream}}",
		map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b"}}, gatetest.Vars{"upstream": up.Addr})
	header := http.Header{"Content-Type": {"application/json"}}
	resp := g.Do(t, gatetest.Request{Target: "/t?apiKey=" + keyA + "&a=1", Body: `{"token":"` + keyB + `"}`, Header: header})
	if resp.Status != http.StatusOK {
		t.Fatalf("status %d: %s", resp.Status, resp.Body)
	}
	seen := up.One(t)
	if id := gatetest.Claims(t, seen.Header.Get("X-Ingest-Identity"))["key_id"]; id != "key_b" || strings.Contains(seen.String(), "canary") {
		t.Errorf("key_id %v, backend saw %s", id, seen)
	}
	if resp := g.Do(t, gatetest.Request{Target: "/t?apiKey=" + keyA}); resp.Status != http.StatusUnauthorized || !strings.Contains(resp.Body, "missing_key") {
		t.Errorf("without another key: %d %s", resp.Status, resp.Body)
	}
}
