package gate

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// takeQuery removes credentials from the current query and from the query as the client
// sent it: error routes get the latter back, and placeholders show it.
func (g *Gate) takeQuery(r *http.Request, p *passage) *refusal {
	raw := r.URL.RawQuery
	clean, err := g.finder.Query(raw, p.set)
	p.inQuery = p.set.HasDocument()
	if err == nil && strings.ContainsFunc(raw, isSpaceOrControl) {
		err = errSpaceInQuery
	}
	if p.inQuery && int64(len(raw)) > g.reading.Body {
		err = body.ErrTooLarge
	}
	if err != nil && g.strips {
		clean = ""
	}
	original := g.originalQuery(r)
	cleanOriginal := clean
	if original != raw {
		cleanOriginal = g.cleanQuery(r, original, p)
	}
	if clean != raw {
		r.URL.RawQuery = clean
		r.RequestURI = WithQuery(r.RequestURI, clean)
	}
	if cleanOriginal != original {
		g.setOriginalQuery(r, cleanOriginal)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, credential.ErrQuery), errors.Is(err, errSpaceInQuery):
		return refQuery(err)
	default: // of the document
		return refBody(err)
	}
}

// errSpaceInQuery can happen only with HTTP/2: in HTTP/1.1 a space ends the request
// target.
var errSpaceInQuery = errors.New("the query has a space or a control character")

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// cleanQuery removes credentials from a query that a rewrite has replaced. They do not
// count for the request, so they get a separate judge.
func (g *Gate) cleanQuery(r *http.Request, raw string, p *passage) string {
	set := credential.GetSet()
	defer credential.PutSet(set)
	if p.judge != nil {
		j := g.newJudge(r, p.now)
		defer j.free()
		set.Judge = j
	}
	clean, err := g.finder.Query(raw, set)
	if err != nil && g.strips {
		return ""
	}
	return clean
}

// originalQuery returns the query as the client sent it, if the host keeps it, else "".
func (g *Gate) originalQuery(r *http.Request) string {
	if u := g.host.OriginalURL(r); u != nil {
		return u.RawQuery
	}
	return ""
}

// setOriginalQuery replaces a query that the host keeps.
func (g *Gate) setOriginalQuery(r *http.Request, query string) {
	u := *g.host.OriginalURL(r)
	u.RawQuery = query
	g.host.SetOriginalURL(r, &u)
}

// WithURL returns the request URI of a URL that was changed: with another path, another
// query, or both.
func WithURL(uri string, before, after *url.URL) string {
	if path := after.EscapedPath(); path != before.EscapedPath() {
		uri = path
	}
	return WithQuery(uri, after.RawQuery)
}

// WithQuery returns the request URI with another query. The first '?' starts the
// query, as net/http reads it.
func WithQuery(uri, query string) string {
	path, _, _ := strings.Cut(uri, "?")
	if query == "" {
		return path
	}
	return path + "?" + query
}

// forgetCompression takes the parameter out of the query that says that the body is gzip, as
// Content-Encoding is taken out of the header: a backend that uses it (PostHog's) would
// fail to decode what is decoded.
func (g *Gate) forgetCompression(r *http.Request) {
	if clean := withoutCompression(r.URL.RawQuery); clean != r.URL.RawQuery {
		r.URL.RawQuery = clean
		r.RequestURI = WithQuery(r.RequestURI, clean)
	}
	original := g.originalQuery(r)
	if clean := withoutCompression(original); clean != original {
		g.setOriginalQuery(r, clean)
	}
}

// withoutCompression leaves all other bytes of the query as they are.
func withoutCompression(query string) string {
	if !strings.Contains(query, "compression=gzip") {
		return query
	}
	var kept []string
	for param := range strings.SplitSeq(query, "&") {
		if param != "compression=gzip" && param != "compression=gzip-js" {
			kept = append(kept, param)
		}
	}
	return strings.Join(kept, "&")
}
