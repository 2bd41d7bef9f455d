package caddymodule

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// boundResource is a resource of the request that the key is allowed for.
type boundResource struct {
	name  string
	value string
}

func boundValue(bound []boundResource, name string) string {
	for i := range bound {
		if bound[i].name == name {
			return bound[i].value
		}
	}
	return ""
}

// resourceClaims returns the `res` claim: a string for a resource with one
// value, a list of strings for one with more.
func resourceClaims(bound []boundResource) map[string]any {
	if len(bound) == 0 {
		return nil
	}
	claims := make(map[string]any, len(bound))
	for _, b := range bound {
		switch have := claims[b.name].(type) {
		case nil:
			claims[b.name] = b.value
		case string:
			claims[b.name] = []string{have, b.value}
		case []string:
			claims[b.name] = append(have, b.value)
		}
	}
	return claims
}

// authorize checks that the key is good for this request.
func (g *Gate) authorize(r *http.Request, p *passage) ([]boundResource, *refusal) {
	if len(g.Modes) > 0 && !slices.Contains(g.Modes, p.record.Mode) {
		return nil, refMode
	}
	if ref := g.checkScopes(r.Method, p.record); ref != nil {
		return nil, ref
	}
	if ref := g.checkQuery(r); ref != nil {
		return nil, ref
	}
	if len(g.Resources) == 0 {
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

// checkScopes refuses a key without a scope that the method needs, and a method
// to which no scope applies where some are asked for.
func (g *Gate) checkScopes(method string, rec *keysync.Record) *refusal {
	applies := len(g.Scopes) == 0
	for i := range g.Scopes {
		s := &g.Scopes[i]
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

// checkQuery refuses a query without a parameter that is required.
func (g *Gate) checkQuery(r *http.Request) *refusal {
	for i, name := range g.RequireQuery {
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

// provisionRequired compiles the parameters that must be there.
func (g *Gate) provisionRequired() error {
	for _, name := range g.RequireQuery {
		param, err := credential.NewParam(name)
		if err != nil {
			return fmt.Errorf("reading require_query: %w", err)
		}
		g.required = append(g.required, param)
	}
	return nil
}

// mismatch is the refusal of a key that is not allowed for a resource.
func (g *Gate) mismatch(name string) *refusal {
	for i := range g.Resources {
		if g.Resources[i].Name == name {
			return refResource(name, g.Resources[i].Denial)
		}
	}
	return refResource(name, config.Denial{})
}

// queryResource is a resource that stands in the query.
type queryResource struct {
	name     string
	param    *credential.Param
	optional bool
}

// bodyResource is a resource that stands in the body.
type bodyResource struct {
	name     string
	optional bool
}

// bindResources reads the IDs that the request names.
func (g *Gate) bindResources(r *http.Request, p *passage) (bound []boundResource, ref *refusal) {
	bound = make([]boundResource, 0, len(g.Resources))
	if bound, ref = g.bindPath(r, bound); ref != nil {
		return nil, ref
	}
	if bound, ref = g.bindQuery(r, bound); ref != nil {
		return nil, ref
	}
	return g.bindBody(p, bound)
}

func (g *Gate) bindPath(r *http.Request, bound []boundResource) ([]boundResource, *refusal) {
	if len(g.paths) == 0 {
		return bound, nil
	}
	path, ok := plainPath(r.URL)
	if !ok {
		return nil, refPath
	}
	for _, res := range g.paths {
		value, ok := res.pattern.Value(path, res.name)
		if !ok {
			return nil, g.mismatch(res.name)
		}
		bound = append(bound, boundResource{res.name, value})
	}
	return bound, nil
}

func (g *Gate) bindQuery(r *http.Request, bound []boundResource) ([]boundResource, *refusal) {
	for _, res := range g.queries {
		value, ok, err := res.param.Value(r.URL.RawQuery)
		if err != nil {
			return nil, refQuery(err)
		}
		switch {
		case ok:
			bound = append(bound, boundResource{res.name, value})
		case !res.optional:
			return nil, refNoResource(res.name)
		}
	}
	return bound, nil
}

func (g *Gate) bindBody(p *passage, bound []boundResource) ([]boundResource, *refusal) {
	for i, res := range g.bodies {
		values, missing := p.set.Values(i)
		if !res.optional && (missing >= 0 || len(values) == 0) || p.set.Odd(i) {
			return nil, refNoResource(res.name)
		}
		for _, v := range values {
			bound = append(bound, boundResource{res.name, string(v)})
		}
	}
	return bound, nil
}
