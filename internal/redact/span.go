package redact

import (
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Span removes keys from the span that the server's tracing started: it ran before the
// gate and has recorded the URL. The attributes are read back from the span, so it does
// not matter which ones the instrumentation sets. For strict see Cleaner.
func (n *Names) Span(span trace.Span, strict bool) {
	if !span.IsRecording() {
		return
	}
	c := n.Cleaner(strict)
	defer c.Free()
	recorded, ok := span.(interface {
		Name() string
		Attributes() []attribute.KeyValue
	})
	if !ok {
		return
	}
	if name := c.Text(recorded.Name()); name != recorded.Name() {
		span.SetName(name)
	}
	for _, kv := range recorded.Attributes() {
		c.cleanAttribute(span, string(kv.Key), kv.Value)
	}
}

// cleanAttribute cleans an attribute that is a text, or a list of texts as that of a header is.
func (c *Cleaner) cleanAttribute(span trace.Span, key string, value attribute.Value) {
	switch value.Type() {
	case attribute.STRING:
		if text := value.AsString(); c.attribute(key, text) != text {
			span.SetAttributes(attribute.String(key, c.attribute(key, text)))
		}
	case attribute.STRINGSLICE:
		texts := value.AsStringSlice()
		for i := range texts {
			texts[i] = c.attribute(key, texts[i])
		}
		span.SetAttributes(attribute.StringSlice(key, texts))
	default: // no text
	}
}

// attribute cleans the text of an attribute. That of a header is called
// http.request.header.NAME (OpenTelemetry semantic conventions).
func (c *Cleaner) attribute(key, text string) string {
	name := key
	if _, header, ok := strings.Cut(key, ".header."); ok {
		name = header
	}
	if c.IsField(name) {
		return Redacted
	}
	return c.Value(name, text)
}
