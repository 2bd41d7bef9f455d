package caddymodule_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
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

func TestCORSAnswers(t *testing.T) {
	backend := func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h["Access-Control-Allow-Origin"] = []string{"*", "https://else.example"}
		h.Set("Access-Control-Allow-Credentials", "false")
		h.Set("Access-Control-Expose-Headers", "X-Own")
		h.Set("Vary", "Accept-Encoding")
		_, _ = io.WriteString(w, "ok")
	}
	up := gatetest.NewUpstream(t, backend)
	g := startSite(t, "ingest_auth {\ncors "+app+"\nlimit 3/"+year+" by key\n}\nreverse_proxy {{upstream}}",
		map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"upstream": up.Addr})
	allowed := "Allow-Origin=" + app + " Allow-Credentials=true Vary="
	for _, tc := range []struct {
		name, key, origin string
		status            int
		want              string
		exposed           string
	}{
		{"good", keyA, app, 200, allowed + "Accept-Encoding+Origin", "X-Own, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"},
		{"no page", keyA, "", 200, "Vary=Accept-Encoding+Origin", "X-Own"},
		{"other page", keyA, "https://evil.example", 200, "Vary=Accept-Encoding+Origin", "X-Own"},
		{"limit", keyA, app, 429, allowed + "Origin", "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"},
		{"no key", "", app, 401, allowed + "Origin", "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"},
	} {
		req := gatetest.Request{Target: "/?apiKey=" + tc.key}
		if tc.origin != "" {
			req.Header = http.Header{"Origin": {tc.origin}}
		}
		resp := g.Do(t, req)
		if got := corsHeaders(resp.Header); resp.Status != tc.status || got != tc.want {
			t.Errorf("%s: %d %s, want %d %s", tc.name, resp.Status, got, tc.status, tc.want)
		}
		if got := strings.Join(resp.Header.Values("Access-Control-Expose-Headers"), ", "); got != tc.exposed {
			t.Errorf("%s: exposed %s, want %s", tc.name, got, tc.exposed)
		}
	}
}

// A streamed body turns out to be too large after the answer was prepared: nothing is said twice.
func TestCORSBodyTooLarge(t *testing.T) {
	g, _ := start(t, "credential header X-API-Key\ncors "+app+"\nmax_body 1KiB", map[string]gatetest.Record{keyA: {}})
	resp := g.Do(t, gatetest.Request{
		Method: "POST", Target: "/", Framing: gatetest.Chunked, Body: strings.Repeat("x", 1<<20),
		Header: http.Header{"X-Api-Key": {keyA}, "Origin": {app}, "Content-Type": {"application/octet-stream"}},
	})
	if got := resp.Header.Values("Access-Control-Expose-Headers"); resp.Status != 413 || len(got) != 1 {
		t.Errorf("%d, exposed %q", resp.Status, got)
	}
}

func TestCORSOptionsThatAreNoPreflight(t *testing.T) {
	g, up := start(t, "cors "+app, map[string]gatetest.Record{keyA: {}})
	wantStatus(t, g, gatetest.Request{Method: "OPTIONS", Target: "/", Header: http.Header{"Origin": {app}}}, 401)
	req := get("/", keyA)
	req.Method = "OPTIONS"
	wantStatus(t, g, req, 200)
	up.One(t)
}
