package caddymodule_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// costlyLines are what a Caddyfile may have beside the gate, and does not always need.
var costlyLines = []struct{ name, options, site, lines string }{
	{name: "none"},
	{name: "site with a name", site: "http://127.0.0.1:{{gate}}"},
	{name: "a second site", options: "}\nhttp://other.example:{{gate}} {\n\trespond other\n"},
	{name: "handle with a path", lines: "@ingest path /v1/*\n\thandle @ingest {\n\t\t{{gated}}\n\t}"},
	{name: "trusted_proxies", options: "servers {\n\t\ttrusted_proxies static private_ranges\n\t\ttrusted_proxies_strict\n\t}"},
	{name: "metrics", options: "metrics"},
	{name: "header", lines: "header X-Frame-Options DENY\n\t{{gated}}"},
	{name: "encode", lines: "encode\n\t{{gated}}"},
	{name: "limit_headers off", lines: "ingest_auth {\n\t\tlimit 999999999/1d by key\n\t\tlimit_headers off\n\t}\n\trespond ok"},
	{name: "no limit", lines: "ingest_auth\n\trespond ok"},
	{name: "no gate", lines: "respond ok"},
}

// BenchmarkCaddyfileLines is what a request costs from Caddy's server on, without a network, with
// one line more or less in the Caddyfile.
func BenchmarkCaddyfileLines(b *testing.B) {
	for _, l := range costlyLines {
		b.Run(l.name, func(b *testing.B) {
			if l.site == "" {
				l.site = "http://:{{gate}}"
			}
			if l.lines == "" {
				l.lines = "{{gated}}"
			}
			g := gatetest.New(b, gatetest.Vars{"gated": "ingest_auth {\n\t\tlimit 999999999/1d by key\n\t}\n\trespond ok"})
			g.Write(b, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
			g.Run(b, gatedSite(l.options, l.site, l.lines))
			benchServer(b)
		})
	}
}

func gatedSite(options, site, lines string) string {
	return "{\n\tauto_https off\n\tlog {\n\t\toutput discard\n\t\tformat redact_keys\n\t}\n\tingest_auth {\n\t\tkeys file {{dir}}/keys.json\n\t}\n\t" + options +
		"\n}\n" + site + " {\n\t" + lines + "\n}\n"
}

func benchServer(b *testing.B) {
	app, err := caddy.ActiveContext().AppIfConfigured("http")
	if err != nil {
		b.Fatal(err)
	}
	server := app.(*caddyhttp.App).Servers["srv0"]
	first := httptest.NewRequest(http.MethodGet, "/v1/events", http.NoBody)
	first.Host, first.RemoteAddr = "127.0.0.1", "127.0.0.1:2345"
	header := http.Header{"User-Agent": {"bench/1.0"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "X-Forwarded-For": {"192.0.2.1"}}
	w := &noWriter{}
	b.ReportAllocs()
	for b.Loop() {
		r, u := *first, *first.URL
		r.URL, r.Header = &u, maps.Clone(header)
		r.Header["X-Api-Key"] = []string{keyA}
		w.header, w.status = make(http.Header), 0
		server.ServeHTTP(w, &r)
		if w.status != http.StatusOK {
			b.Fatal(w.status)
		}
	}
}

// noWriter is a connection that takes everything.
type noWriter struct {
	header http.Header
	status int
}

func (w *noWriter) Header() http.Header              { return w.header }
func (w *noWriter) Write(p []byte) (int, error)      { return len(p), nil }
func (w *noWriter) WriteHeader(status int)           { w.status = status }
func (w *noWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *noWriter) SetWriteDeadline(time.Time) error { return nil }
