package caddymodule_test

import (
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/internal/browsertest"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	keyTest = "iak-test-of-the-browser"
	keyOld  = "iak-old-key-of-a-rotation"
	keyNew  = "iak-new-key-of-a-rotation"
)

const pageSite = `{
	auto_https off
	ingest_auth {
		keys file {{dir}}/keys.json
		recent_events on
	}
	log {
		output file {{dir}}/caddy.log
		format redact_keys
	}
}
:{{gate}} {
	ingest_auth {
		credential header X-API-Key
		credential body token
		limit 40/1h by key
	}
	reverse_proxy {{upstream}}
}
`

// runForBrowsers runs a gate whose admin endpoint can be opened in a browser,
// which sends no Origin when somebody types an address.
func runForBrowsers(t *testing.T, g *gatetest.Gate, caddyfile string) {
	t.Helper()
	adapted, err := g.Adapt(caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	var cfg map[string]any
	if err := json.Unmarshal(adapted, &cfg); err != nil {
		t.Fatal(err)
	}
	cfg["admin"].(map[string]any)["origins"] = []string{g.Admin, ""}
	if adapted, err = json.Marshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(adapted, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = caddy.Stop() })
}

// rotationGate runs a gate in the middle of a rotation: for an hour, requests
// have been moving from the old key to the new.
func rotationGate(t *testing.T) *gatetest.Gate {
	t.Helper()
	g := gatetest.New(t, gatetest.Vars{"upstream": gatetest.NewUpstream(t, nil).Addr})
	old := &keysync.Record{KeyID: "key_old", Account: "acme", Env: "production", Mode: keysync.ModeLive, Successor: "key_new"}
	successor := &keysync.Record{KeyID: "key_new", Account: "acme", Env: "production", Mode: keysync.ModeLive}
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{
		keyOld:  {"key_id": "key_old", "env": "production", "successor": "key_new", "expires_at": time.Now().Add(5 * time.Hour).UTC().Format(time.RFC3339)},
		keyNew:  {"key_id": "key_new", "env": "production"},
		keyTest: {"key_id": "key_test", "account": "<b>umbrella</b>", "mode": "test"},
	}))
	runForBrowsers(t, g, pageSite)
	now := time.Now()
	for i := 2; i < 60; i++ { // the oldest minutes would leave the hour while the test looks
		at := now.Add(time.Duration(i-59) * time.Minute)
		wave := (i*i*7)%23 + (i*5)%11
		caddymodule.NoteFlow(max(0, 90-2*i)+wave*(60-i)/60, at, old, "allowed")
		caddymodule.NoteFlow(2*i+wave/2, at, successor, "allowed")
		caddymodule.NoteFlow(wave/5, at, old, "rate_limited")
		caddymodule.NoteFlow(wave/9, at, nil, "unknown_key")
	}
	return g
}

// TestPage looks at a rotation in progress in a browser.
func TestPage(t *testing.T) {
	g := rotationGate(t)
	hostile := `{"event":"<img src=x onerror=complain('a script ran')>","token":"` + keyTest + `"}`
	for _, body := range []string{`{"event":"signup","token":"` + keyTest + `"}`, hostile} {
		g.Do(t, gatetest.Request{Target: "/v1/<b>track</b>", Body: body})
	}
	browsertest.Run(t, "page.js", map[string]any{
		"page": "http://" + g.Admin + "/ingest_auth/", "gate": "http://" + g.Addr, "other": pageServer(t), "new": keyNew,
	})
}

// TestPageAtFirst looks at the page before anybody has used a key: lists are empty
// then, and none of them may be missing.
func TestPageAtFirst(t *testing.T) {
	g := gatetest.New(t, gatetest.Vars{"upstream": gatetest.NewUpstream(t, nil).Addr})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyTest: {"key_id": "key_test", "mode": "test"}}))
	runForBrowsers(t, g, pageSite)
	browsertest.Run(t, "firstvisit.js", map[string]any{
		"page": "http://" + g.Admin + "/ingest_auth/", "gate": "http://" + g.Addr, "test": keyTest,
	})
}

const corsSite = `{
	auto_https off
	ingest_auth {
		keys file {{dir}}/keys.json
	}
	log {
		output file {{dir}}/caddy.log
		format redact_keys
	}
}
http://localhost:{{gate}} {
	ingest_auth {
		limit 1000/1h by key
		cors  {{listed}}
	}
	reverse_proxy {{upstream}}
}
`

// TestCORSInBrowser has pages of two origins use a gate that lists one of them.
func TestCORSInBrowser(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	listed, other := pageServer(t), pageServer(t)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr, "listed": listed})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{
		keyNew: {"key_id": "key_new"}, keyOld: {"key_id": "key_limited", "limits": map[string]string{"key": "1/1h"}},
	}))
	g.Run(t, corsSite)
	_, port, _ := net.SplitHostPort(g.Addr)
	browsertest.Run(t, "cors.js", map[string]any{
		"listed": listed, "other": other, "gate": "http://localhost:" + port, "key": keyNew, "limited": keyOld,
	})

	arrived := map[string]int{}
	for _, seen := range up.Take() {
		if strings.Contains(seen.String(), keyNew) || strings.Contains(seen.String(), keyOld) {
			t.Errorf("a key arrived at the backend:\n%s", seen)
		}
		if seen.Header.Get("X-Ingest-Identity") == "" {
			t.Errorf("arrived without an assertion:\n%s", seen)
		}
		path, _, _ := strings.Cut(seen.URI, "?")
		arrived[path+" "+seen.Header.Get("Content-Type")+" "+seen.Body]++
	}
	want := map[string]int{
		`/keepalive application/json {"event":"keepalive"}`:       1,
		`/header application/json {"event":"header"}`:             1,
		`/text text/plain;charset=UTF-8 {"event":"text"}`:         1,
		`/blob application/json {"event":"blob"}`:                 1,
		`/query text/plain;charset=UTF-8 {"event":"query"}`:       1,
		`/limited application/json {"event":"limited"}`:           1,
		`/unlisted text/plain;charset=UTF-8 {"event":"unlisted"}`: 1, // a simple request; its answer is not for the page
	}
	if !maps.Equal(arrived, want) {
		t.Errorf("arrived at the backend: %v, want %v", arrived, want)
	}
}

// pageServer serves an empty page and returns its origin.
func pageServer(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, `<!doctype html><link rel="icon" href="data:,"><title>page</title>`)
	}))
	t.Cleanup(srv.Close)
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	return "http://localhost:" + port
}
