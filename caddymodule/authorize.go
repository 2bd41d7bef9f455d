package caddymodule

import (
	"net/http"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
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
	for _, scope := range g.Scopes {
		if !p.record.HasScope(scope) {
			return nil, refScope
		}
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
			return nil, refResource(bound[i].name)
		}
	}
	return bound, nil
}

// queryResource is a resource that stands in the query.
type queryResource struct {
	name  string
	param *credential.Param
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
			return nil, refResource(res.name)
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
		if !ok {
			return nil, refNoResource(res.name)
		}
		bound = append(bound, boundResource{res.name, value})
	}
	return bound, nil
}

func (g *Gate) bindBody(p *passage, bound []boundResource) ([]boundResource, *refusal) {
	for i, name := range g.bodies {
		values, missing := p.set.Values(i)
		if missing >= 0 || len(values) == 0 {
			return nil, refNoResource(name)
		}
		for _, v := range values {
			bound = append(bound, boundResource{name, string(v)})
		}
	}
	return bound, nil
}
