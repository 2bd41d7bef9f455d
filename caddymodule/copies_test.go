package caddymodule_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestCopiesInTheOriginalRequest: error routes get back what the client has sent, and may
// forward it, also a path that a rewrite has taken the key from.
func TestCopiesInTheOriginalRequest(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr, "dead": freeport.Addr(t)})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {"key_id": "key_a"}}))
	g.Run(t, options+`:{{gate}} {
		log {
			format redact_keys
		}
		rewrite /hook/* /t
		ingest_auth
		reverse_proxy {{dead}}
		handle_errors {
			reverse_proxy {{upstream}} {
				header_up X-Was "{http.request.orig_uri}"
			}
		}
	}
	`)
	for target, want := range map[string]string{
		"/hook/" + keyA + "/x?a=1":                         "/hook/key_a/x?a=1",
		"/v1/" + keyA + "?k=" + keyA:                       "/v1/key_a",
		"/v1/%2f/t?b=%20&k=" + keyA[:6] + "%2d" + keyA[7:]: "/v1/%2f/t?b=%20",
	} {
		resp := g.Do(t, gatetest.Request{Method: http.MethodGet, Target: target, Header: http.Header{"X-Api-Key": {keyA}, "X-Other": {"x" + keyA}}})
		if resp.Status != http.StatusOK {
			t.Fatalf("%s: %d %s", target, resp.Status, resp.Body)
		}
		seen := up.One(t)
		if was := strings.Join(seen.Header["X-Was"], ","); seen.URI != want || was != want || strings.Join(seen.Header["X-Other"], ",") != "x" {
			t.Errorf("%s: the backend got %s, which was %s, and %v", target, seen.URI, was, seen.Header)
		}
	}
}
