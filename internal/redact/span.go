package redact

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Span takes keys out of the span that the server's tracing started: it ran
// before the gate and has recorded the URL. The attributes are read back from
// the span, so that it does not matter which ones the instrumentation sets.
func (n *Names) Span(span trace.Span) {
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
	if name := n.Text(recorded.Name()); name != recorded.Name() {
		span.SetName(name)
	}
	for _, kv := range recorded.Attributes() {
		n.cleanAttribute(span, string(kv.Key), kv.Value)
	}
}

// cleanAttribute cleans an attribute that is a text, or a list of texts as that of a header is.
func (n *Names) cleanAttribute(span trace.Span, key string, value attribute.Value) {
	switch value.Type() {
	case attribute.STRING:
		if text := value.AsString(); n.attribute(key, text) != text {
			span.SetAttributes(attribute.String(key, n.attribute(key, text)))
		}
	case attribute.STRINGSLICE:
		texts := value.AsStringSlice()
		for i := range texts {
			texts[i] = n.attribute(key, texts[i])
		}
		span.SetAttributes(attribute.StringSlice(key, texts))
	default: // no text
	}
}

// attribute cleans the text of an attribute. That of a header is called
// http.request.header.NAME (OpenTelemetry semantic conventions).
func (n *Names) attribute(key, text string) string {
	name := key
	if _, header, ok := strings.Cut(key, ".header."); ok {
		name = header
	}
	if n.IsField(name) {
		return Redacted
	}
	return n.Value(key, text)
}
