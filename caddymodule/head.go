package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// takeHead finds the credentials in header and query and removes them, and with
// them what the client sent in the identity header's name. The span is cleaned
// whatever was found: a key may stand where no credential is looked for.
func (g *Gate) takeHead(r *http.Request, p *passage) *refusal {
	g.takeHeaders(r.Header, p)
	g.keepConnection(r.Header)
	p.span = trace.SpanFromContext(r.Context())
	cleanSpan(p.span)
	if r.URL.RawQuery == "" && originalQuery(r) == "" {
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
// which must not befall the identity header, nor what the gate has gone by when
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

// takeQuery removes credentials from the query, both as it is now and as the
// client sent it: error routes get the latter back, and placeholders show it.
func (g *Gate) takeQuery(r *http.Request, p *passage) *refusal {
	raw := r.URL.RawQuery
	clean, err := g.finder.Query(raw, p.set)
	if err == nil && strings.ContainsFunc(raw, isSpaceOrControl) {
		err = errSpaceInQuery
	}
	if err != nil && g.Strip == "on" {
		clean = ""
	}
	original := originalQuery(r)
	cleanOriginal := clean
	if original != raw {
		cleanOriginal = g.cleanQuery(original, p)
	}
	if clean != raw {
		r.URL.RawQuery = clean
		r.RequestURI = withQuery(r.RequestURI, clean)
	}
	if cleanOriginal != original {
		setOriginalQuery(r, cleanOriginal)
	}
	if err != nil {
		return refQuery(err)
	}
	return nil
}

// errSpaceInQuery is about queries that come by HTTP/2 only: in HTTP/1.1 a space ends
// the request target.
var errSpaceInQuery = errors.New("the query has a space or a control character")

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// cleanQuery removes credentials from a query without counting them.
func (g *Gate) cleanQuery(raw string, p *passage) string {
	set := credential.GetSet()
	defer credential.PutSet(set)
	set.Judge = p.set.Judge
	clean, err := g.finder.Query(raw, set)
	if err != nil && g.Strip == "on" {
		return ""
	}
	return clean
}

func originalQuery(r *http.Request) string {
	if orig, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return orig.URL.RawQuery
	}
	return ""
}

// setOriginalQuery changes the query of the request as Caddy keeps it for error
// routes and placeholders. The URL is shared by all copies of the request. The
// request URI is not: it is replaced in this copy, and in the replacer, which an
// earlier handler may have bound to another.
func setOriginalQuery(r *http.Request, query string) {
	orig := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	orig.URL.RawQuery = query
	orig.RequestURI = withQuery(orig.RequestURI, query)
	ctx := context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, orig)
	*r = *r.WithContext(ctx)
	if repl, ok := ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.request.orig_uri", orig.RequestURI)
	}
}

// withQuery returns the request URI with another query. The first '?' starts the
// query, as net/http reads it.
func withQuery(uri, query string) string {
	path, _, _ := strings.Cut(uri, "?")
	if query == "" {
		return path
	}
	return path + "?" + query
}

func canonical(name string) string { return http.CanonicalHeaderKey(name) }
