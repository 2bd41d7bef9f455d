package caddymodule

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// cleanSpan takes keys out of the span that Caddy's tracing started: it ran
// before the gate and has recorded the URL. The attributes are read back from
// the span, so that it does not matter which ones the instrumentation sets.
func cleanSpan(ctx context.Context) {
	span := trace.SpanFromContext(ctx)
	if !span.IsRecording() {
		return
	}
	recorded, ok := span.(interface {
		Name() string
		Attributes() []attribute.KeyValue
	})
	if !ok {
		return
	}
	if name := keyNames.Text(recorded.Name()); name != recorded.Name() {
		span.SetName(name)
	}
	for _, kv := range recorded.Attributes() {
		if kv.Value.Type() != attribute.STRING {
			continue
		}
		v := kv.Value.AsString()
		if c := clean(string(kv.Key), v); c != v {
			span.SetAttributes(kv.Key.String(c))
		}
	}
}

// tracerName is the instrumentation scope of the gate's spans.
const tracerName = "github.com/ingestauth/caddy-ingest-auth"

// traceGate records the way of a request through the gate as a span, a child of
// the one that Caddy's tracing started. Without that there is none.
func traceGate(ctx context.Context, p *passage, verdict string) {
	parent := trace.SpanFromContext(ctx)
	if !parent.IsRecording() || p.observed {
		return
	}
	attributes := make([]attribute.KeyValue, 0, 4)
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, attribute.String(name, value))
		}
	}
	add("ingest_auth.verdict", verdict)
	add("ingest_auth.lookup", p.lookup.String())
	if p.record != nil {
		add("ingest_auth.key_id", p.record.KeyID)
		add("ingest_auth.mode", p.record.Mode)
	}
	_, span := parent.TracerProvider().Tracer(tracerName).Start(ctx, "ingest_auth",
		trace.WithTimestamp(p.now), trace.WithAttributes(attributes...))
	span.End()
}
