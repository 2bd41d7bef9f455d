package gate

import (
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/config"
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

// mismatch is the refusal of a key that is not allowed for a resource.
func (g *Gate) mismatch(name string) *refusal {
	for i := range g.settings.Resources {
		if g.settings.Resources[i].Name == name {
			return refResource(name, g.settings.Resources[i].Denial)
		}
	}
	return refResource(name, config.Denial{})
}

// queryResource is a resource in the query.
type queryResource struct {
	name     string
	param    *credential.Param
	optional bool
}

// bodyResource is a resource in the body.
type bodyResource struct {
	name     string
	optional bool
}

// bindResources reads the IDs that the request names.
func (g *Gate) bindResources(r *http.Request, p *passage) (bound []boundResource, ref *refusal) {
	bound = make([]boundResource, 0, len(g.settings.Resources))
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

// pathResource is a resource in the path.
type pathResource struct {
	name    string
	pattern config.Pattern
}

// plainPath returns the decoded path of u, and false if a backend could read it in
// another way than the gate does. Proxies and backends differ in whether they decode %2F,
// resolve %2e%2e, merge slashes, treat '\' as a slash, cut off path parameters at ';' or
// decode twice. Windows drops dots and spaces at the end of a name. So none of these may
// be in a path whose segments must be allowed for the key.
func plainPath(u *url.URL) (string, bool) {
	path := u.Path
	if path == "" || path[0] != '/' || !utf8.ValidString(path) {
		return "", false
	}
	if escaped := u.EscapedPath(); len(escaped) != len(path) && hidesSlash(escaped) {
		return "", false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ', c == 0x7f, c == '\\', c == ';', c == '%', c == '?', c == '#':
			return "", false
		case c == '/' && oddSegment(path[i+1:]):
			return "", false
		}
	}
	return path, true
}

// hidesSlash reports whether an escaped path has an encoded slash.
func hidesSlash(escaped string) bool {
	return strings.Contains(escaped, "%2F") || strings.Contains(escaped, "%2f")
}

// oddSegment reports whether rest, the text after a slash, starts with an empty segment,
// a dot segment, or a segment that Windows changes. A slash at the very end is not an
// empty segment.
func oddSegment(rest string) bool {
	seg, _, more := strings.Cut(rest, "/")
	if seg == "" {
		return more
	}
	last := seg[len(seg)-1]
	return last == '.' || last == ' '
}
