package gate

import (
	"errors"
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// takeQuery removes credentials from the query, both as it is now and as the
// client sent it: error routes get the latter back, and placeholders show it.
func (g *Gate) takeQuery(r *http.Request, p *passage) *refusal {
	raw := r.URL.RawQuery
	clean, err := g.finder.Query(raw, p.set)
	if err == nil && strings.ContainsFunc(raw, isSpaceOrControl) {
		err = errSpaceInQuery
	}
	if err != nil && g.strips {
		clean = ""
	}
	original := g.host.OriginalQuery(r)
	cleanOriginal := clean
	if original != raw {
		cleanOriginal = g.cleanQuery(original, p)
	}
	if clean != raw {
		r.URL.RawQuery = clean
		r.RequestURI = WithQuery(r.RequestURI, clean)
	}
	if cleanOriginal != original {
		g.host.SetOriginalQuery(r, cleanOriginal)
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
