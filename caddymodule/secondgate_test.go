package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// The operator is told, once, of a request that has lost its key to the gate before; not of
// one that never had a key, or that met a gate which takes none.
func TestSecondGate(t *testing.T) {
	const hint = "another ingest_auth removed the key"
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, `route {
		ingest_auth /twice*
		ingest_auth /watched* {
			enforce off
			strip off
		}
		ingest_auth {
			credential header X-API-Key
			credential header X-Admin-Key
		}
		reverse_proxy {{upstream}}
	}`, map[string]gatetest.Record{keyA: {}, keyB: {}}, gatetest.Vars{"upstream": up.Addr})
	hints := func() int {
		log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), hint)
	}
	missing := answer{401, "missing_key"}
	checkAnswers(t, g, up, map[string]gatetest.Request{
		"no key":               {Target: "/twice"},
		"bad key":              get("/twice", keyC),
		"two keys":             {Target: "/twice", Header: http.Header{"X-Api-Key": {keyA}, "X-Admin-Key": {keyB}}},
		"watched":              get("/watched", keyA),
		"watched, no key":      {Target: "/watched"},
		"watched, other place": {Target: "/watched", Header: http.Header{"Authorization": {"Bearer " + keyA}}},
		"once":                 get("/once", keyA),
		"once, no key":         {Target: "/once"},
	}, map[string]answer{
		"no key": missing, "bad key": {401, "invalid_key"}, "two keys": {200, ""},
		"watched": {200, ""}, "watched, no key": missing, "watched, other place": missing,
		"once": {200, ""}, "once, no key": missing,
	})
	if n := hints(); n != 0 {
		t.Errorf("%d hints", n)
	}
	for range 2 {
		wantStatus(t, g, get("/twice", keyA), 401)
	}
	if n := hints(); n != 1 {
		t.Errorf("%d hints, want 1", n)
	}
}
