package caddymodule_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Keys of the tests. They are long and odd enough to be searched for.
const (
	keyA = "canary-AAAA-7f3b9c1d5e"
	keyB = "canary-BBBB-2a4c6e8f0b"
)

// options is the global block of most tests.
const options = `{
	auto_https off
	servers {
		protocols h1 h2c
		max_header_size 1MiB
	}
	ingest_auth {
		keys file {{dir}}/keys.json
	}
	log {
		output file {{dir}}/caddy.log
		format redact_keys
		level DEBUG
	}
}
`

// start runs a gate with the given subdirectives in front of an upstream.
func start(t *testing.T, subdirectives string, records map[string]gatetest.Record) (*gatetest.Gate, *gatetest.Upstream) {
	t.Helper()
	up := gatetest.NewUpstream(t, nil)
	return startSite(t, fmt.Sprintf("ingest_auth {\n%s\n}\nreverse_proxy {{upstream}}", subdirectives), records, gatetest.Vars{"upstream": up.Addr}), up
}

// startSite runs a site with the given directives.
func startSite(t *testing.T, directives string, records map[string]gatetest.Record, vars gatetest.Vars) *gatetest.Gate {
	t.Helper()
	g := gatetest.New(t, vars)
	g.Write(t, "keys.json", gatetest.Keys(records))
	g.Run(t, options+":{{gate}} {\nlog\n"+directives+"\n}\n")
	return g
}

// style is a way to present a key.
type style struct {
	name string
	add  func(r *gatetest.Request, key string)
}

var styles = []style{
	{"bearer", func(r *gatetest.Request, key string) { r.Header.Add("Authorization", "Bearer "+key) }},
	{"header", func(r *gatetest.Request, key string) { r.Header.Add("X-Api-Key", key) }},
	{"query", func(r *gatetest.Request, key string) { r.Target = addQuery(r.Target, "apiKey="+key) }},
	{"body", addMember},
	{"basic", func(r *gatetest.Request, key string) {
		r.Header.Add("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("api:"+key)))
	}},
	{"form", addField},
	{"scheme", func(r *gatetest.Request, key string) {
		r.Header.Add("Authorization", `Token token="`+key+`", nonce="n"`)
	}},
	{"param", func(r *gatetest.Request, key string) {
		r.Header.Add("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key="+key)
	}},
	{"cookie", func(r *gatetest.Request, key string) {
		r.Header.Add("Cookie", "theme=dark; session_key="+key+"; lang=de")
	}},
	{"path", func(r *gatetest.Request, key string) {
		r.Target = strings.Replace(r.Target, "?", "/services/"+key+"?", 1)
	}},
}

func addQuery(target, param string) string {
	path, query, _ := strings.Cut(target, "?")
	if query == "" {
		return path + "?" + param
	}
	return path + "?" + query + "&" + param
}

// addMember puts the key into the JSON body, before the members there.
func addMember(r *gatetest.Request, key string) {
	r.Header.Set("Content-Type", "application/json")
	name, _ := json.Marshal(key)
	r.Body = fmt.Sprintf(`{ "token" : %s, %s`, name, strings.TrimPrefix(r.Body, "{"))
}

func addField(r *gatetest.Request, key string) {
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Body = "event=signup&key=" + key + "&n=1"
}

const allStyles = `
	credential bearer
	credential basic
	credential header X-API-Key
	credential query apiKey
	credential body token
	credential form key
	credential scheme Token
	credential header X-Sentry-Auth param sentry_key
	credential cookie session_key
	credential path /track/services/{key}
`

func baseRequest(f gatetest.Framing) gatetest.Request {
	return gatetest.Request{
		Framing: f, Method: http.MethodPost, Target: "/track?x=1&y=a%20b",
		Header: http.Header{"Content-Type": {"application/json"}, "X-Custom": {"kept"}},
		Body:   `{"event":"signup","n":1.50}`,
	}
}

func TestEveryLocation(t *testing.T) {
	g, up := start(t, allStyles, map[string]gatetest.Record{keyA: {"key_id": "key_a"}})
	for _, f := range gatetest.Framings {
		for _, s := range styles {
			t.Run(string(f)+" "+s.name, func(t *testing.T) {
				req := baseRequest(f)
				s.add(&req, keyA)
				if resp := g.Do(t, req); resp.Status != http.StatusOK {
					t.Fatalf("status %d: %s", resp.Status, resp.Body)
				}
				seen := up.One(t)
				checkForwarded(t, seen, s.name == "form")
			})
		}
	}
}

// checkForwarded checks what the backend saw of baseRequest.
func checkForwarded(t *testing.T, seen gatetest.Seen, form bool) {
	t.Helper()
	if strings.Contains(seen.String(), "canary") {
		t.Errorf("backend saw the key:\n%s", seen)
	}
	if strings.Replace(seen.URI, "/services/key_a?", "?", 1) != "/track?x=1&y=a%20b" {
		t.Errorf("target %q", seen.URI)
	}
	for name, want := range map[string]string{"X-Sentry-Auth": "Sentry sentry_version=7", "Cookie": "theme=dark; lang=de"} {
		if got := seen.Header.Get(name); got != "" && got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	want := map[string]bool{`{"event":"signup","n":1.50}`: true, `{  "event":"signup","n":1.50}`: true}
	if form {
		want = map[string]bool{"event=signup&n=1": true}
	}
	if !want[seen.Body] || seen.Length != int64(len(seen.Body)) {
		t.Errorf("body %q, length %d", seen.Body, seen.Length)
	}
	if got := seen.Header.Get("X-Custom"); got != "kept" {
		t.Errorf("X-Custom: %q", got)
	}
	claims := gatetest.Claims(t, seen.Header.Get("X-Ingest-Identity"))
	if claims["key_id"] != "key_a" || claims["sub"] != "acme" || claims["mode"] != "live" {
		t.Errorf("claims %v", claims)
	}
}

func TestEveryPairOfLocations(t *testing.T) {
	g, up := start(t, allStyles, map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {}})
	for _, f := range gatetest.Framings {
		for i, first := range styles {
			for _, second := range styles[i+1:] {
				if first.name == "body" && second.name == "form" {
					continue // a body has one type
				}
				name := fmt.Sprintf("%s %s and %s", f, first.name, second.name)
				t.Run(name+" agree", func(t *testing.T) {
					req := baseRequest(f)
					first.add(&req, keyA)
					second.add(&req, keyA)
					if resp := g.Do(t, req); resp.Status != http.StatusOK {
						t.Fatalf("status %d: %s", resp.Status, resp.Body)
					}
					checkForwarded(t, up.One(t), first.name == "form" || second.name == "form")
				})
				t.Run(name+" differ", func(t *testing.T) {
					req := baseRequest(f)
					first.add(&req, keyA)
					second.add(&req, keyB)
					resp := g.Do(t, req)
					if resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, "conflicting_credentials") {
						t.Errorf("status %d: %s", resp.Status, resp.Body)
					}
					if n := len(up.Take()); n != 0 {
						t.Errorf("backend saw %d requests", n)
					}
				})
			}
		}
	}
}

func TestConflictFirst(t *testing.T) {
	g, up := start(t, allStyles+"\nconflict first", map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b"}})
	order := []int{0, 4, 1, 7, 8, 9, 2, 3} // bearer, basic, header, param, cookie, path, query, body
	for i, a := range order {
		for _, b := range order[i+1:] {
			first, second := styles[a], styles[b]
			if first.name == "bearer" && second.name == "basic" {
				continue // values of one header count as they come
			}
			t.Run(first.name+" before "+second.name, func(t *testing.T) {
				req := baseRequest(gatetest.Length)
				second.add(&req, keyB)
				first.add(&req, keyA)
				if resp := g.Do(t, req); resp.Status != http.StatusOK {
					t.Fatalf("status %d: %s", resp.Status, resp.Body)
				}
				seen := up.One(t)
				if id := gatetest.Claims(t, seen.Header.Get("X-Ingest-Identity"))["key_id"]; id != "key_a" {
					t.Errorf("key_id %v", id)
				}
				if strings.Contains(seen.String(), "canary") {
					t.Errorf("backend saw a key:\n%s", seen)
				}
			})
		}
	}
}

func TestRefusals(t *testing.T) {
	records := map[string]gatetest.Record{
		keyA:            {},
		"revoked-key-1": {"revoked_at": "2020-01-01T00:00:00Z"},
		"expired-key-1": {"expires_at": "2020-01-01T00:00:00Z"},
		"future-key-1":  {"not_before": "2099-01-01T00:00:00Z"},
	}
	g, up := start(t, allStyles, records)
	for _, tc := range []struct {
		name, key    string
		status       int
		code, bearer string
	}{
		{"no key", "", 401, "missing_key", `Bearer realm="ingest"`},
		{"unknown", "nobody-has-this", 401, "invalid_key", `Bearer realm="ingest", error="invalid_token"`},
		{"revoked", "revoked-key-1", 401, "invalid_key", `Bearer realm="ingest", error="invalid_token"`},
		{"expired", "expired-key-1", 401, "invalid_key", `Bearer realm="ingest", error="invalid_token"`},
		{"not yet valid", "future-key-1", 401, "invalid_key", `Bearer realm="ingest", error="invalid_token"`},
		{"damaged checksum", "iak_live_00000000000000000000000000000000000000", 401, "invalid_key", `Bearer realm="ingest", error="invalid_token"`},
	} {
		for _, s := range styles {
			t.Run(tc.name+" "+s.name, func(t *testing.T) {
				req := baseRequest(gatetest.Length)
				if tc.key != "" {
					s.add(&req, tc.key)
				}
				resp := g.Do(t, req)
				if resp.Status != tc.status || !strings.Contains(resp.Body, `"code":"`+tc.code+`"`) {
					t.Errorf("status %d: %s", resp.Status, resp.Body)
				}
				if got := resp.Header.Get("WWW-Authenticate"); got != tc.bearer {
					t.Errorf("WWW-Authenticate: %s", got)
				}
				if n := len(up.Take()); n != 0 {
					t.Errorf("backend saw %d requests", n)
				}
			})
		}
	}
}

// TestCookieCrumbs: HTTP/2 sends the pairs of a Cookie header in fields of their own (RFC 9113,
// section 8.2.3), HTTP/1.1 may send several headers.
func TestCookieCrumbs(t *testing.T) {
	g, up := start(t, "credential cookie session_key", map[string]gatetest.Record{keyA: {"key_id": "key_a"}})
	status, err := g.HTTP2Path(t, "/", "somebody-elses", [2]string{"cookie", "a=1"}, [2]string{"cookie", "session_key=" + keyA}, [2]string{"cookie", "b=2"})
	if err != nil || status != http.StatusOK {
		t.Fatal(status, err)
	}
	if got := up.One(t).Header.Get("Cookie"); got != "a=1; b=2" {
		t.Errorf("the backend saw %q", got)
	}
	wantStatus(t, g, gatetest.Request{Target: "/", Header: http.Header{"Cookie": {"a=1", "session_key=" + keyA + "; b=2"}}}, http.StatusOK)
	if got := strings.Join(up.One(t).Header["Cookie"], "; "); got != "a=1; b=2" {
		t.Errorf("the backend saw %q", got)
	}
	status, err = g.HTTP2Path(t, "/", "somebody-elses", [2]string{"cookie", "session_key=" + keyA}, [2]string{"cookie", "session_key=" + keyB})
	if err != nil || status != http.StatusBadRequest {
		t.Errorf("two keys: %d, %v", status, err)
	}
}
