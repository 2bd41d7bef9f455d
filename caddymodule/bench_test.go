package caddymodule_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// benchGate lets benchmarks get at the gate that a Caddyfile has made.
type benchGate struct {
	caddyhttp.MiddlewareHandler `json:"-"`

	Gate json.RawMessage `json:"gate"`
}

var benched *caddymodule.Gate

func init() { caddy.RegisterModule(new(benchGate)) }

func (*benchGate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.bench_gate", New: func() caddy.Module { return new(benchGate) }}
}

func (h *benchGate) Provision(ctx caddy.Context) error {
	v, err := ctx.LoadModuleByID("http.handlers.ingest_auth", h.Gate)
	if err != nil {
		return err
	}
	benched = v.(*caddymodule.Gate)
	return nil
}

// benchSetup returns a gate with these settings, outside of any server.
func benchSetup(b *testing.B, settings string) *caddymodule.Gate {
	b.Helper()
	g := gatetest.New(b, nil)
	g.Write(b, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
	cfg := fmt.Sprintf(`{
		"admin": {"disabled": true},
		"storage": {"module": "file_system", "root": %q},
		"logging": {"logs": {"default": {"writer": {"output": "discard"}, "encoder": {"format": "redact_keys"}}}},
		"apps": {
			"ingest_auth": {"keys": {"source": "file", "file": %q}},
			"http": {"servers": {"s": {"listen": [%q], "routes": [{"handle": [{"handler": "bench_gate", "gate": %s}]}]}}}
		}
	}`, g.Dir+"/storage", g.Dir+"/keys.json", g.Addr, settings)
	if err := caddy.Load([]byte(cfg), true); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = caddy.Stop() })
	return benched
}

// prepared is a request as a Caddy server hands it to handlers.
func prepared(r *http.Request) *http.Request {
	repl := caddy.NewReplacer()
	ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)
	ctx = context.WithValue(ctx, caddyhttp.ServerCtxKey, new(caddyhttp.Server))
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
	ctx = context.WithValue(ctx, caddyhttp.OriginalRequestCtxKey, http.Request{URL: r.URL})
	// Room for one more provider, as the server's replacer has.
	repl.Map(func(string) (any, bool) { return nil, false })
	return r.WithContext(ctx)
}

var nothing = caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })

// BenchmarkGateHeader is what the gate adds to a request with a known key in a
// header, without the first assertion. Putting the request back into its first
// state is part of the figure; without the gate it costs what "none" says.
func BenchmarkGateHeader(b *testing.B) {
	gate := benchSetup(b, "{}")
	b.Run("none", func(b *testing.B) { benchHeader(b, passThrough{}) })
	b.Run("gate", func(b *testing.B) { benchHeader(b, gate) })
}

// BenchmarkGateLimited is the same with limits in memory.
func BenchmarkGateLimited(b *testing.B) {
	const one, other = `{"rate":"999999999/1d","by":["key"]}`, `{"rate":"999999999/1d","by":["account","ip","route"]}`
	b.Run("one", func(b *testing.B) { benchHeader(b, benchSetup(b, `{"limits":[`+one+`]}`)) })
	b.Run("two", func(b *testing.B) { benchHeader(b, benchSetup(b, `{"limits":[`+one+`,`+other+`]}`)) })
}

// passThrough is no gate.
type passThrough struct{}

func (passThrough) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return next.ServeHTTP(w, r)
}

func benchHeader(b *testing.B, gate caddyhttp.MiddlewareHandler) {
	w := httptest.NewRecorder()
	base := httptest.NewRequest(http.MethodPost, "/v1/track", nil)
	for name, value := range map[string]string{
		"User-Agent": "bench/1.0", "Accept": "*/*", "Accept-Encoding": "gzip", "Content-Type": "application/json",
		"X-Request-Id": "f3b1", "X-Forwarded-For": "192.0.2.1", "Origin": "https://example.com", "Referer": "https://example.com/",
	} {
		base.Header.Set(name, value)
	}
	req := *prepared(base)
	values := []string{keyA}
	b.ReportAllocs()
	for b.Loop() {
		r := req // the replacer forgets what the last round has mapped
		values[0] = keyA
		r.Header["X-Api-Key"] = values
		repl := *r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
		if err := gate.ServeHTTP(w, &r, nothing); err != nil {
			b.Fatal(err)
		}
		*r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer) = repl
		delete(r.Header, "X-Ingest-Identity")
	}
}

// BenchmarkGateBody is the same for a key in a JSON body of 1 KB.
func BenchmarkGateBody(b *testing.B) {
	gate := benchSetup(b, "{}")
	b.Run("none", func(b *testing.B) { benchBody(b, passThrough{}) })
	b.Run("gate", func(b *testing.B) { benchBody(b, gate) })
}

func benchBody(b *testing.B, gate caddyhttp.MiddlewareHandler) {
	w := httptest.NewRecorder()
	body := `{"event":"signup","properties":{"plan":"pro","text":"` + strings.Repeat("lorem ipsum ", 70) + `"},"token":"` + keyA + `"}`
	req := prepared(httptest.NewRequest(http.MethodPost, "/v1/track", nil))
	repl := req.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	first := *repl
	reader := strings.NewReader("")
	closer := io.NopCloser(reader)
	b.ReportAllocs()
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		r := *req
		reader.Reset(body)
		r.Body, r.ContentLength = closer, int64(len(body))
		if err := gate.ServeHTTP(w, &r, nothing); err != nil {
			b.Fatal(err)
		}
		*repl = first
		delete(r.Header, "X-Ingest-Identity")
	}
	if w.Code != http.StatusOK {
		b.Fatal(w.Code)
	}
}
