package gate

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// takeQuery removes credentials from the query, both as it is now and as the
// client sent it: error routes get the latter back, and placeholders show it.
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
	original := g.host.OriginalQuery(r)
	cleanOriginal := clean
	if original != raw {
		cleanOriginal = g.cleanQuery(r, original, p)
	}
	if clean != raw {
		r.URL.RawQuery = clean
		r.RequestURI = WithQuery(r.RequestURI, clean)
	}
	if cleanOriginal != original {
		g.host.SetOriginalQuery(r, cleanOriginal)
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

// errSpaceInQuery is about queries that come by HTTP/2 only: in HTTP/1.1 a space ends
// the request target.
var errSpaceInQuery = errors.New("the query has a space or a control character")

func isSpaceOrControl(r rune) bool { return r <= ' ' || r == 0x7f }

// cleanQuery removes credentials from a query without counting them: a rewrite has
// taken it from the request, so what stood there has a judge of its own.
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

// WithQuery returns the request URI with another query. The first '?' starts the
// query, as net/http reads it.
func WithQuery(uri, query string) string {
	path, _, _ := strings.Cut(uri, "?")
	if query == "" {
		return path
	}
	return path + "?" + query
}
