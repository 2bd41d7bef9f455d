package gate

import (
	"fmt"
	"net/http"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// authorize checks that the key allows this request.
func (g *Gate) authorize(r *http.Request, p *passage) ([]boundResource, *refusal) {
	if !g.modes.has(ModeOf(p.record)) {
		return nil, refMode
	}
	if ref := g.checkScopes(r.Method, p.record); ref != nil {
		return nil, ref
	}
	if ref := g.checkQuery(r); ref != nil {
		return nil, ref
	}
	if len(g.settings.Resources) == 0 {
		return nil, nil
	}
	bound, ref := g.bindResources(r, p)
	if ref != nil {
		return nil, ref
	}
	for i := range bound {
		if !p.record.Allows(bound[i].name, bound[i].value) {
			return nil, g.mismatch(bound[i].name)
		}
	}
	return bound, nil
}

// checkScopes refuses a key without a scope that the method needs. If scopes are
// configured, it also refuses a method without a scope.
func (g *Gate) checkScopes(method string, rec *keysync.Record) *refusal {
	applies := len(g.settings.Scopes) == 0
	for i := range g.settings.Scopes {
		s := &g.settings.Scopes[i]
		if !s.AppliesTo(method) {
			continue
		}
		applies = true
		for _, name := range s.Names {
			if !rec.HasScope(name) {
				return refScope(s.Denial)
			}
		}
	}
	if !applies {
		return refScope(config.Denial{})
	}
	return nil
}

// checkQuery refuses a query without a required parameter.
func (g *Gate) checkQuery(r *http.Request) *refusal {
	for i, name := range g.settings.RequireQuery {
		present, err := g.required[i].Present(r.URL.RawQuery)
		switch {
		case err != nil:
			return refQuery(err)
		case !present:
			return refMissingParameter(name)
		}
	}
	return nil
}

// compileRequired compiles the required parameters.
func (g *Gate) compileRequired() error {
	for _, name := range g.settings.RequireQuery {
		param, err := credential.NewParam(name)
		if err != nil {
			return fmt.Errorf("reading require_query: %w", err)
		}
		g.required = append(g.required, param)
	}
	return nil
}
