package caddymodule

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// takeBody finds the credentials in the body and removes them. The next handlers
// get a body that can be read again, or one that streams.
func (g *Gate) takeBody(r *http.Request, p *passage) *refusal {
	if !hasBody(r) {
		body.Trailers(r, g.forbidden)
		return nil
	}
	if awaitsContinue(r) {
		b := &awaited{ReadCloser: r.Body}
		r.Body = b
		defer b.settle(r.Header)
	}
	if g.MaxBody > 0 && r.ContentLength > int64(g.MaxBody) {
		return refBody(body.ErrTooLarge)
	}
	kind, ref := g.kindOf(r, p)
	if ref != nil {
		return ref
	}
	if kind == kindOpaque && g.Bind != "body" {
		return g.streamBody(r)
	}
	return g.readBody(r, p, kind)
}

// kindOf tells how the body is looked at, from its type and its first bytes.
func (g *Gate) kindOf(r *http.Request, p *passage) (bodyKind, *refusal) {
	kind, ref := g.bodyKind(r.Header)
	p.opaque = kind == kindOpaque
	if ref != nil || kind != kindAny && kind != kindFrames || g.checksJSON || g.Bind == "body" || len(r.Header["Content-Encoding"]) > 0 {
		return kind, ref
	}
	p.readsBody = true
	may, err := kind.mayBeJSON(r)
	switch {
	case err != nil:
		return 0, refBody(err)
	case !may:
		return kindOpaque, nil
	}
	return kind, nil
}

// mayBeJSON reports whether a body opens JSON, as far as its beginning tells.
func (k bodyKind) mayBeJSON(r *http.Request) (bool, error) {
	beginning, whole, err := body.Peek(r, func(beginning []byte) bool {
		_, decided := k.opens(beginning, false)
		return decided
	})
	opens, decided := k.opens(beginning, whole)
	return opens || !decided, err
}

func hasBody(r *http.Request) bool {
	return r.Body != nil && r.Body != http.NoBody && r.ContentLength != 0
}

// streamBody lets a body through that the gate has no business in, up to its
// largest size if one is written, and without trailers that only the gate or no one
// may set.
func (g *Gate) streamBody(r *http.Request) *refusal {
	body.Once(r)
	if g.MaxBody > 0 {
		if err := body.Limit(r, int64(g.MaxBody)); err != nil {
			return refBody(err)
		}
	}
	body.Trailers(r, g.forbidden)
	return nil
}

func (g *Gate) readBody(r *http.Request, p *passage, kind bodyKind) *refusal {
	limits := g.limits
	limits.Verified = p.record != nil
	if kind == kindOpaque {
		limits.Verbatim = true
	}
	p.readsBody = true
	var err error
	if p.body, err = body.Read(r, limits); err != nil {
		return refBody(err)
	}
	raw := p.body.Bytes()
	clean, _, err := kind.scan(g.finder, raw, p.set)
	if err != nil {
		return refBody(err)
	}
	cut := len(clean) != len(raw)
	p.body.Truncate(len(clean)) // it was cut in place
	p.replay = body.Replace(r, p.body, cut)
	return nil
}

// checkBody checks what the body must be and hold.
func (g *Gate) checkBody(r *http.Request, p *passage) *refusal {
	switch {
	case !g.checksJSON:
		return nil
	case p.opaque:
		return refNotJSON
	case p.replay == nil && mayLackBody(r.Method):
		return g.unmet(p.set)
	}
	if ref := g.misshapen(p.set); ref != nil {
		return ref
	}
	if ref := g.unmet(p.set); ref != nil {
		return ref
	}
	if p.set.Shape() == credential.ShapeNone && p.body != nil && len(bytes.TrimSpace(p.body.Bytes())) > 0 {
		return refNotJSON
	}
	if g.MaxItems > 0 && p.set.Items() > g.MaxItems {
		return refManyItems
	}
	if p.set.Items() < g.MinItems {
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

// misshapen refuses a body that is not what body_shape says.
func (g *Gate) misshapen(set *credential.Set) *refusal {
	shape := set.Shape()
	if g.BodyShape == "object" && shape != credential.ShapeObject || g.BodyShape == "array" && shape != credential.ShapeArray {
		return refShape(g.BodyShape)
	}
	return nil
}

// unmet refuses a body that lacks a required member.
func (g *Gate) unmet(set *credential.Set) *refusal {
	if len(g.Require) == 0 {
		return nil
	}
	if set.Shape() == credential.ShapeNone {
		return refMissingField(g.Require[0], -1)
	}
	req, row, ok := set.Unmet()
	if !ok {
		return nil
	}
	if set.Shape() == credential.ShapeObject && g.Require[req].In == "" {
		row = -1
	}
	return refMissingField(g.Require[req], row)
}

// refBody is the refusal for an error of reading or scanning a body.
func refBody(err error) *refusal {
	var syntax *credential.SyntaxError
	var spelling *credential.SpellingError
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, body.ErrTooLarge), errors.Is(err, body.ErrDecodedTooLarge), errors.Is(err, body.ErrRatio), errors.As(err, &tooLarge):
		return &refusal{status: http.StatusRequestEntityTooLarge, code: "body_too_large", message: "Request body too large", cause: err}
	case errors.Is(err, body.ErrMemory):
		return &refusal{status: http.StatusServiceUnavailable, code: "unavailable", message: "Too many requests are being read; try again", cause: err}
	case errors.Is(err, body.ErrUnsupported):
		return &refusal{status: http.StatusUnsupportedMediaType, code: "unsupported_encoding", message: "Unsupported Content-Encoding", cause: err}
	case errors.As(err, &syntax):
		return &refusal{status: http.StatusBadRequest, code: "malformed_body", message: "Malformed JSON", cause: err}
	case errors.As(err, &spelling):
		return &refusal{status: http.StatusBadRequest, code: "malformed_body", message: "Field must be written exactly: " + spelling.Name, cause: err}
	case errors.Is(err, credential.ErrDuplicate):
		return &refusal{status: http.StatusBadRequest, code: "duplicate_field", message: "Duplicate field in request body", cause: err}
	default:
		return &refusal{status: http.StatusBadRequest, code: "malformed_body", message: "Malformed request body", cause: err}
	}
}
