package caddymodule

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// cleanSpan takes keys out of the span that Caddy's tracing started: it ran
// before the gate and has recorded the URL. The attributes are read back from
// the span, so that it does not matter which ones the instrumentation sets.
func cleanSpan(span trace.Span) {
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
		cleanAttribute(span, string(kv.Key), kv.Value)
	}
}

// cleanAttribute cleans an attribute that is a text, or a list of texts as that of a header is.
func cleanAttribute(span trace.Span, key string, value attribute.Value) {
	switch value.Type() {
	case attribute.STRING:
		if text := value.AsString(); cleanText(key, text) != text {
			span.SetAttributes(attribute.String(key, cleanText(key, text)))
		}
	case attribute.STRINGSLICE:
		texts := value.AsStringSlice()
		for i := range texts {
			texts[i] = cleanText(key, texts[i])
		}
		span.SetAttributes(attribute.StringSlice(key, texts))
	default: // no text
	}
}

// cleanText cleans the text of an attribute. That of a header is called
// http.request.header.NAME (OpenTelemetry semantic conventions).
func cleanText(key, text string) string {
	name := key
	if _, header, ok := strings.Cut(key, ".header."); ok {
		name = header
	}
	if secretField(name) {
		return redacted
	}
	return clean(key, text)
}

// tracerName is the instrumentation scope of the gate's spans.
const tracerName = "github.com/ingestauth/caddy-ingest-auth"

// traceGate records the way of a request through the gate as a span, a child of
// the one that Caddy's tracing started. Without that there is none.
func traceGate(ctx context.Context, p *passage, verdict string) {
	parent := p.span
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
