package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestKeyInPathIsNamed: where others show the path, they show the ID of the key in its place:
// the access log, placeholders of the request as it came, error routes; also where a prefix
// was taken off before the gate.
func TestKeyInPathIsNamed(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, `
	handle_path /in/* {
		ingest_auth {
			credential path /services/{key}/*
			errors caddy
		}
		reverse_proxy {{upstream}} {
			header_up X-Original {http.request.orig_uri}
			header_up X-Original-Path {http.request.orig_uri.path}
		}
	}
	handle_errors {
		respond "{http.error.status_code} {http.request.uri} {http.request.orig_uri}"
	}`, map[string]gatetest.Record{keyA: {"key_id": "key_a"}, keyB: {"key_id": "key_b", "expires_at": "2020-01-01T00:00:00Z"}}, gatetest.Vars{"upstream": up.Addr})
	g.Do(t, gatetest.Request{Target: "/in/services/" + keyA + "/x?a=1"})
	seen := up.One(t)
	if seen.URI != "/services/key_a/x?a=1" || seen.Header.Get("X-Original") != "/in/services/key_a/x?a=1" || seen.Header.Get("X-Original-Path") != "/in/services/key_a/x" {
		t.Errorf("the backend saw\n%s", seen)
	}
	for key, want := range map[string]string{keyB: "401 /in/services/key_b/x /in/services/key_b/x", "nobody-has-this": "401 /in/services/REDACTED/x /in/services/REDACTED/x"} {
		resp := g.Do(t, gatetest.Request{Target: "/in/services/" + key + "/x"})
		if resp.Status != http.StatusUnauthorized && resp.Status != http.StatusOK || resp.Body != want {
			t.Errorf("%s: %d %s, want %s", key, resp.Status, resp.Body, want)
		}
	}
	for _, want := range []string{`"uri":"/in/services/key_a/x?a=1"`, `"uri":"/in/services/key_b/x"`, `"uri":"/in/services/REDACTED/x"`} {
		await.That(t, want+" in the access log", func() bool {
			b, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
			return strings.Contains(string(b), want)
		})
	}
	b, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	for _, key := range []string{keyA, keyB, "nobody-has-this"} {
		if strings.Contains(string(b), key) {
			t.Errorf("%s is in the log", key)
		}
	}
}
