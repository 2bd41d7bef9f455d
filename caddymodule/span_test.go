package caddymodule_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// spansInMemory is the exporter for OTEL_TRACES_EXPORTER=memory.
var spansInMemory = tracetest.NewInMemoryExporter()

func init() {
	autoexport.RegisterSpanExporter("memory", func(context.Context) (sdktrace.SpanExporter, error) { return spansInMemory, nil })
}

// traceSite runs a gate behind Caddy's tracing.
func traceSite(t *testing.T, directives string) *gatetest.Gate {
	t.Helper()
	t.Setenv("OTEL_TRACES_EXPORTER", "memory")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	spansInMemory.Reset()
	return startSite(t, directives+"\ningest_auth {\nscope s\n}\nrespond ok", map[string]gatetest.Record{
		keyA: {"key_id": "key_a", "mode": "live", "scopes": []string{"s"}},
		keyB: {"key_id": "key_b", "mode": "test"},
	}, nil)
}

// ours are the gate's spans.
func ours() []tracetest.SpanStub {
	return slices.DeleteFunc(spansInMemory.GetSpans(), func(s tracetest.SpanStub) bool { return s.Name != "ingest_auth" })
}

func TestSpan(t *testing.T) {
	g := traceSite(t, "tracing")
	want := []map[string]string{
		{"ingest_auth.verdict": "allowed", "ingest_auth.lookup": "hit", "ingest_auth.key_id": "key_a", "ingest_auth.mode": "live"},
		{"ingest_auth.verdict": "insufficient_scope", "ingest_auth.lookup": "hit", "ingest_auth.key_id": "key_b", "ingest_auth.mode": "test"},
		{"ingest_auth.verdict": "unknown_key", "ingest_auth.lookup": "unknown"},
		{"ingest_auth.verdict": "missing_key"},
	}
	for _, req := range []gatetest.Request{get("/", keyA), get("/", keyB), get("/", "canary-unknown"), {Target: "/"}} {
		g.Do(t, req)
	}
	await.That(t, "spans", func() bool { return len(ours()) >= len(want) && len(spansInMemory.GetSpans()) >= 2*len(want) })
	parents := map[string]bool{}
	for _, s := range spansInMemory.GetSpans() {
		parents[s.SpanContext.SpanID().String()] = s.Name == "handler"
	}
	var got []map[string]string
	for _, s := range ours() {
		attributes := map[string]string{}
		for _, kv := range s.Attributes {
			attributes[string(kv.Key)] = kv.Value.AsString()
			if strings.Contains(kv.Value.AsString(), "canary") {
				t.Errorf("%s holds a key", kv.Key)
			}
		}
		if !parents[s.Parent.SpanID().String()] || s.EndTime.Before(s.StartTime) {
			t.Errorf("the span is no child of the server's, or ends before it began: %+v", s)
		}
		got = append(got, attributes)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
}

// TestSpanHidesKeysWithoutAQuery: a span may have a key in the path or in a header,
// where no credential is looked for, and in a request without a query.
func TestSpanHidesKeysWithoutAQuery(t *testing.T) {
	key := "iak_live_PublicDemoKeyDoNotUse000000000010ZukjS"
	g := traceSite(t, "tracing\ntest_span")
	targets := []string{"/track/" + key, "/" + key + "/track", "/track/x-" + key + ";v=1", "/track/iak%5flive_PublicDemoKeyDoNotUse000000000010ZukjS"}
	for _, target := range targets {
		g.Do(t, gatetest.Request{Target: target, Header: http.Header{"X-Api-Key": {keyA}, "X~Api~Key": {keyB}}})
	}
	await.That(t, "spans", func() bool { return len(ours()) >= len(targets) && len(spansInMemory.GetSpans()) >= 2*len(targets) })
	redacted := 0
	for _, s := range spansInMemory.GetSpans() {
		for _, kv := range s.Attributes {
			value := kv.Value.Emit()
			if strings.Contains(value, "PublicDemoKey") || strings.Contains(value, "canary") {
				t.Errorf("%s holds a key: %s", kv.Key, value)
			}
			redacted += strings.Count(value, "REDACTED")
		}
	}
	if want := 4 * len(targets); redacted < want { // path, two headers, and a name that is told
		t.Errorf("%d attributes were cleaned, want %d: the test tests too little", redacted, want)
	}
}

// spanner is a handler that tells the span of a request's headers, as instrumentation may.
type spanner struct{}

func init() {
	caddy.RegisterModule(spanner{})
	httpcaddyfile.RegisterHandlerDirective("test_span", func(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
		h.Next()
		return spanner{}, nil
	})
	httpcaddyfile.RegisterDirectiveOrder("test_span", httpcaddyfile.After, "tracing")
}

func (spanner) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.test_span", New: func() caddy.Module { return new(spanner) }}
}

func (spanner) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	span := trace.SpanFromContext(r.Context())
	for name, values := range r.Header {
		span.SetAttributes(attribute.StringSlice("http.request.header."+strings.ToLower(name), values))
	}
	span.SetAttributes(attribute.String("token", r.Header.Get("X-Api-Key")))
	return next.ServeHTTP(w, r)
}

func TestNoSpanWithoutTracing(t *testing.T) {
	g := traceSite(t, "@traced path /traced\ntracing @traced")
	g.Do(t, get("/", keyA))
	g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}}})
	g.Do(t, get("/traced", keyA))
	await.That(t, "the span of the request that is traced", func() bool { return len(ours()) > 0 })
	if n := len(ours()); n != 1 {
		t.Errorf("%d spans, want 1", n)
	}
}
