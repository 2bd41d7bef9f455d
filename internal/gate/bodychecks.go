package gate

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// checkBody checks the shape of the body and what it must contain.
func (g *Gate) checkBody(r *http.Request, p *passage) *refusal {
	switch {
	case !g.checksJSON:
		return nil
	case p.opaque:
		return refNotJSON
	case p.replay == nil && !p.inQuery && mayLackBody(r.Method):
		return g.unmet(p.set)
	}
	if ref := g.misshapen(p.set); ref != nil {
		return ref
	}
	if ref := g.unmet(p.set); ref != nil {
		return ref
	}
	if p.set.Shape() == credential.ShapeNone && p.body != nil && len(bytes.TrimSpace(p.body.Bytes())) > 0 {
		return g.refNoDocument()
	}
	if g.settings.MaxItems > 0 && p.set.Items() > g.settings.MaxItems {
		return refManyItems
	}
	if p.set.Items() < g.settings.MinItems {
		return refFewItems
	}
	return nil
}

// mayLackBody reports whether requests with that method usually have no body.
func mayLackBody(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodDelete, http.MethodOptions:
		return true
	}
	return false
}

// misshapen refuses a body with another shape than body_shape says.
func (g *Gate) misshapen(set *credential.Set) *refusal {
	if g.shape != credential.ShapeNone && set.Shape() != g.shape {
		return refShape(g.settings.BodyShape)
	}
	return nil
}

// unmet refuses a body that lacks a required member.
func (g *Gate) unmet(set *credential.Set) *refusal {
	if len(g.settings.Require) == 0 {
		return nil
	}
	if set.Shape() == credential.ShapeNone {
		return refMissingField(g.settings.Require[0], -1)
	}
	req, row, ok := set.Unmet()
	if !ok {
		return nil
	}
	if set.Shape() == credential.ShapeObject && g.settings.Require[req].In == "" {
		row = -1
	}
	return refMissingField(g.settings.Require[req], row)
}

// refNoDocument refuses a body without JSON in it.
func (g *Gate) refNoDocument() *refusal {
	for _, b := range g.settings.BodyIn {
		if b.In == config.InForm {
			return refuseFor(missingField).saying("Missing field: " + strings.Join(b.Names, ", "))
		}
	}
	return refNotJSON
}
