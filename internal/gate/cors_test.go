package gate_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const app = "https://app.example.com"

// corsHeaders are the CORS headers of an answer, and Vary.
func corsHeaders(h http.Header) string {
	var all []string
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Credentials", "Access-Control-Allow-Methods", "Access-Control-Allow-Headers", "Access-Control-Max-Age", "Vary"} {
		if values := h.Values(name); len(values) > 0 {
			all = append(all, strings.TrimPrefix(name, "Access-Control-")+"="+strings.Join(values, "+"))
		}
	}
	return strings.Join(all, " ")
}

func TestCORSPreflights(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ cors, origin, want string }{
		{app, app, "Allow-Origin=" + app + " Allow-Credentials=true Allow-Methods=POST Allow-Headers=content-type,x-api-key Max-Age=7200 Vary=Origin+Access-Control-Request-Method+Access-Control-Request-Headers"},
		{"*", app, "Allow-Origin=* Allow-Methods=POST Allow-Headers=content-type,x-api-key Max-Age=7200 Vary=Access-Control-Request-Method+Access-Control-Request-Headers"},
		{app, "https://evil.example", "Vary=Origin+Access-Control-Request-Method+Access-Control-Request-Headers"},
		{app, app + ".evil.example", "Vary=Origin+Access-Control-Request-Method+Access-Control-Request-Headers"},
		{app, "null", "Vary=Origin+Access-Control-Request-Method+Access-Control-Request-Headers"},
		{"https://other.example https://*.example.com", app, "Allow-Origin=" + app + " Allow-Credentials=true Allow-Methods=POST Allow-Headers=content-type,x-api-key Max-Age=7200 Vary=Origin+Access-Control-Request-Method+Access-Control-Request-Headers"},
	} {
		var origins []config.Origin
		for o := range strings.FieldsSeq(tc.cors) {
			origins = append(origins, config.Origin(o))
		}
		g := start(t, config.Gate{CORS: origins}, map[string]keysync.Record{keyA: {}})
		for _, target := range []string{"/track", "/track?apiKey=" + keyA, "/track?apiKey=" + keyA + "&apiKey=%zz"} {
			resp := g.do(t, request{method: "OPTIONS", target: target, header: http.Header{
				"Origin": {tc.origin}, "Access-Control-Request-Method": {"POST"}, "Access-Control-Request-Headers": {"content-type,x-api-key"},
			}})
			if got := corsHeaders(resp.header); resp.status != http.StatusNoContent || got != tc.want {
				t.Errorf("cors %s, %s, %s: %d\n got %s\nwant %s", tc.cors, tc.origin, target, resp.status, got, tc.want)
			}
			if len(resp.seen) > 0 {
				t.Error("the backend saw a preflight")
			}
		}
	}
}
