package caddymodule_test

import (
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// A second gate on the way says so, instead of asking the client for a key that it has sent.
// Behind one that only reports it does its work.
func TestSecondGate(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, `route {
		ingest_auth /twice*
		ingest_auth /watched* {
			enforce off
			strip off
		}
		ingest_auth {
			credential header X-API-Key
			credential body token
		}
		reverse_proxy {{upstream}}
	}`, map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"upstream": up.Addr})
	misconfigured := answer{500, `{"error":"The gateway is misconfigured","code":"misconfigured"}`}
	checkAnswers(t, g, up, map[string]gatetest.Request{
		"twice":                get("/twice", keyA),
		"twice, body":          postJSON("/twice", keyA, `{}`),
		"twice, no key":        {Target: "/twice"},
		"twice, bad key":       get("/twice", keyB),
		"watched":              get("/watched", keyA),
		"watched, no key":      {Target: "/watched"},
		"watched, other place": {Target: "/watched", Header: map[string][]string{"Authorization": {"Bearer " + keyA}}},
		"once":                 get("/once", keyA),
		"once, no key":         {Target: "/once"},
	}, map[string]answer{
		"twice": misconfigured, "twice, body": misconfigured,
		"twice, no key": {401, "missing_key"}, "twice, bad key": {401, "invalid_key"},
		"watched": {200, ""}, "watched, no key": {401, "missing_key"}, "watched, other place": {401, "missing_key"},
		"once": {200, ""}, "once, no key": {401, "missing_key"},
	})
}
