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
