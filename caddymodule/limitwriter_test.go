package caddymodule_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// oddWriter is a handler that writes its response in the ways that reverse_proxy
// does not.
type oddWriter struct{}

func init() {
	caddy.RegisterModule(new(oddWriter))
	httpcaddyfile.RegisterHandlerDirective("odd_writer", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return new(oddWriter), nil
	})
}

func (*oddWriter) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.odd_writer", New: func() caddy.Module { return new(oddWriter) }}
}

func (*oddWriter) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	h := w.Header()
	h["X-Ratelimit-Limit"] = []string{"upstream", "upstream"}
	switch r.URL.Path {
	case "/write":
		_, _ = io.WriteString(w, "ok")
	case "/copy":
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("ok"))
	case "/flush":
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "ok")
	case "/late":
		_, _ = io.WriteString(w, "ok")
		w.WriteHeader(http.StatusTeapot)
	case "/informational":
		h.Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		h["X-Ratelimit-Limit"] = []string{"upstream"}
		_, _ = io.WriteString(w, "ok")
	}
	return nil
}

func TestLimitHeadersOfOddWriters(t *testing.T) {
	g := gatetest.New(t, nil)
	g.Write(t, "keys.json", gatetest.Keys(limited()))
	g.Run(t, options+":{{gate}} {\nroute {\ningest_auth {\nlimit 90/"+year+" by key\n}\nodd_writer\n}\n}\n")
	for _, framing := range []gatetest.Framing{gatetest.Length, gatetest.HTTP2} {
		for _, path := range []string{"/write", "/copy", "/flush", "/late", "/informational", "/nothing"} {
			req := get(path, keyA)
			req.Framing = framing
			resp := wantStatus(t, g, req, 200)
			if got := strings.Join(resp.Header["X-Ratelimit-Limit"], ","); got != "90" {
				t.Errorf("%s %s: X-RateLimit-Limit %s, want 90", framing, path, got)
			}
		}
	}
}
