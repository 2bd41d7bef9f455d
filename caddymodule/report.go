package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// report lets a request through whatever there is to say against it, and says
// it: in the assertion, in logs and placeholders.
func (g *Gate) report(w http.ResponseWriter, r *http.Request, p *passage, next caddyhttp.Handler) error {
	ref := g.takeHead(r, p)
	body.Trailers(r, g.forbidden)
	if ref == nil && isPreflight(r) && (g.PassPreflights || len(g.CORS) > 0) {
		return next.ServeHTTP(w, r)
	}
	if ref == nil {
		ref = g.tryToAdmit(r, p)
	}
	if ref != nil {
		g.noteRefused(r, p, ref)
	}
	g.observe(r, p, p.verdict)
	err := next.ServeHTTP(w, r)
	if err == nil {
		p.release()
	}
	return err
}

// tryToAdmit takes a request through the gate, or, if credentials are to stay in
// it, a copy. What the gate made of the body is undone unless it was to remove
// credentials from it and could.
func (g *Gate) tryToAdmit(r *http.Request, p *passage) *refusal {
	p.verdict = verdictAllowed
	tried := r
	if g.Strip == "off" {
		tried = new(*r)
		tried.Header = r.Header.Clone()
	}
	p.recording = body.Record(tried, g.limits.Budget)
	id, ref := g.admit(tried, p)
	if len(tried.Header["Expect"]) == 0 {
		delete(r.Header, "Expect")
	}
	if g.Strip == "off" || p.replay == nil {
		p.recording.Restore(r)
	}
	if ref == nil {
		g.introduce(r, p, id)
	}
	return ref
}

// noteRefused says of a request that passes why it would have been refused.
func (g *Gate) noteRefused(r *http.Request, p *passage, ref *refusal) {
	p.verdict = ref.verdictOf()
	g.reporter.count(p.verdict)
	if p.record == nil {
		p.digest = keysync.Digest{} // all unknown keys share an assertion
	}
	if id, unsigned := g.grant(r, p, nil); unsigned == nil {
		r.Header[g.identity] = []string{id.assertion}
	}
	g.describe(r, p, ref)
}
