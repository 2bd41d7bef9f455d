package gate

import (
	"net/http"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// takeHead finds the credentials in header and query and removes them, and with
// them what the client sent in the identity header's name. The span is cleaned
// whatever was found: a key may stand where no credential is looked for.
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

// takeHeaders finds the credentials in the header and removes them. The storage
// of a header that went is kept for the identity header.
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

// keepConnection keeps the client from having headers removed further on: a proxy
// removes every header that is named in Connection (RFC 9110, section 7.6.1),
// which must not happen to the identity header, nor to what the gate relied on when
// it looked at the body. An upgrade to another version of HTTP is a tunnel in
// which requests would pass the gate unseen; it is not offered to the backend.
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

// withoutTokens returns the header values, lists of tokens separated by commas,
// without the tokens that match. It returns values itself if none does.
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
