package gate

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// takeHead finds and removes the credentials in header and query, and the identity header
// if the client sent one. It always cleans the span: a key may be in a place that is not
// a location.
func (g *Gate) takeHead(r *http.Request, p *passage) *refusal {
	g.takeHeaders(r.Header, p)
	g.keepConnection(r.Header)
	p.span = trace.SpanFromContext(r.Context())
	g.names.Span(p.span, false)
	p.original = g.host.OriginalURL(r)
	if r.URL.RawQuery == "" && (p.original == nil || p.original.RawQuery == "") {
		return nil
	}
	return g.takeQuery(r, p)
}

// takeHeaders finds the credentials in the header and removes them. The storage of a
// removed header is kept for the identity header.
func (g *Gate) takeHeaders(h http.Header, p *passage) {
	for _, name := range g.slots {
		values := h[name]
		if len(values) == 0 {
			continue
		}
		g.finder.Headers(h, p.set)
		if h[name] == nil {
			p.slot = values[:1:1]
		}
		return
	}
	g.finder.Headers(h, p.set)
}

// keepConnection stops the client from having headers removed further on: a proxy removes
// every header that is named in Connection (RFC 9110, section 7.6.1). That must not
// happen to the identity header, nor to headers that the gate relied on when it read the
// body. An upgrade to another version of HTTP is a tunnel in which requests would pass
// the gate unseen, so it is not offered to the backend.
func (g *Gate) keepConnection(h http.Header) {
	values := h["Connection"]
	if values == nil {
		return
	}
	h["Connection"] = withoutTokens(values, g.forbidden)
	if offersHTTP(h["Upgrade"]) {
		delete(h, "Upgrade")
		delete(h, "Http2-Settings")
	}
}

func offersHTTP(upgrade []string) bool {
	for _, value := range upgrade {
		for protocol := range strings.SplitSeq(value, ",") {
			name, _, _ := strings.Cut(strings.TrimSpace(protocol), "/")
			if strings.EqualFold(name, "h2c") || strings.EqualFold(name, "h2") || strings.EqualFold(name, "HTTP") {
				return true
			}
		}
	}
	return false
}

// withoutTokens returns the header values without the tokens that match. Values are lists
// of tokens with commas. If no token matches, it returns values itself.
func withoutTokens(values []string, match func(string) bool) []string {
	named := func(value string) bool {
		for token := range strings.SplitSeq(value, ",") {
			if match(strings.TrimSpace(token)) {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(values, named) {
		return values
	}
	kept := make([]string, 0, len(values))
	for _, value := range values {
		var tokens []string
		for token := range strings.SplitSeq(value, ",") {
			if token = strings.TrimSpace(token); !match(token) {
				tokens = append(tokens, token)
			}
		}
		kept = append(kept, strings.Join(tokens, ", "))
	}
	return kept
}
