// Package gate takes requests through a gate: it finds the key, removes it, looks it up,
// checks what it allows, counts the request, and tells the backend who called.
//
// It knows net/http, but not the server around it, which is its Host. Read from Gate
// downwards: ServeHTTP makes a passage of each request, and admit has the steps in order.
package gate

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/cors"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/internal/multipart"
	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Gate is a gate. Make it with New.
type Gate struct {
	settings config.Gate
	words    // of the settings
	host     Host
	log      *zap.Logger

	header   string // canonical name of the header with the assertion
	scheme   string // of Authorization, that clients are asked to use
	source   keysync.Getter
	signer   *assertion.Signer
	halfLife time.Duration // how long an assertion is reused

	// guesses says that no location is configured: then only a value with a record is a
	// key.
	guesses bool
	judges  sync.Pool // of *judge
	finder  *credential.Finder
	remover *credential.Finder // removes credentials, also if the gate does not strip
	// forbidden reports whether a trailer with that name must not get through. It is made
	// once, not for every request.
	forbidden func(name string) bool

	reading body.Limits
	// keysInBody says that the body may have a credential.
	keysInBody bool
	// looksAtJSON says that JSON bodies are scanned.
	looksAtJSON bool
	// checksJSON says that a body that is not JSON is refused.
	checksJSON bool

	required   []*credential.Param // by index of RequireQuery
	paths      []pathResource
	queries    []queryResource
	bodies     []bodyResource
	limiter    *limiter // nil if nothing is limited
	identities *identityCache

	// reporter counts what would be refused; nil if the gate enforces.
	reporter   *reporter
	secondGate sync.Once // to log only once that requests pass another gate before this one

	names  *redact.Names
	meter  Meter
	flow   *flow.Recorder
	events *flow.Events // nil unless they are kept
}

// ServeHTTP takes a request through the gate.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next Handler) error {
	p := passage{set: credential.GetSet(), now: time.Now()}
	defer p.end(r)
	defer g.cleanPanic(&p)
	if g.guesses {
		p.judge = g.newJudge(r, p.now)
		p.set.Judge = p.judge
	}
	if g.reporter != nil {
		return g.report(w, r, &p, next)
	}
	p.cors = cors.For(g.settings.CORS, g.style, r.Header)

	ref := g.takeHead(r, &p)
	switch {
	case p.cors.Active && isPreflight(r):
		p.cors.Preflight(w, r)
		return nil
	case ref != nil:
		return g.refuse(w, r, &p, ref)
	case g.settings.PassPreflights && isPreflight(r):
		return g.passPreflight(w, r, &p, next)
	}
	id, ref := g.admit(r, &p)
	if ref != nil {
		return g.refuse(w, r, &p, ref)
	}
	g.introduce(r, &p, id)
	g.observe(r, &p, allowed)

	err := p.forward(w, r, next)
	switch {
	case err == nil:
		p.release()
	case endsStream(err):
		delete(r.Header, "Expect") // it was answered
		return g.refuse(w, r, &p, refBody(err))
	}
	return err
}

// endsStream reports whether the next handler failed because of a streaming body that
// turned out to be forbidden.
func endsStream(err error) bool {
	var form *multipart.Error
	return errors.Is(err, body.ErrTooLarge) || errors.Is(err, credential.ErrLate) || errors.Is(err, credential.ErrMultipart) || errors.As(err, &form)
}

// admit finds out who is calling and whether the key allows this request. Cheap checks
// come first: a wrong key in the head is refused before the body is read.
func (g *Gate) admit(r *http.Request, p *passage) (*identity, *refusal) {
	if ref := g.authenticate(r, p); ref != nil && (ref != refMissing || !g.keysInBody) {
		return nil, ref
	}
	if ref := g.enter(p); ref != nil {
		return nil, ref
	}
	if hasBody(r) { // the gate may be replaced before it has arrived
		g.host.Hold()
		defer g.host.Release()
	}
	if ref := g.takeBody(r, p); ref != nil {
		return nil, ref
	}
	switch ref := g.authenticate(r, p); {
	case ref == refMissing:
		ref = p.blame()
		g.noteFailure(r, p.now, ref)
		return nil, ref
	case ref != nil:
		return nil, ref
	}
	if ref := g.takeCopies(r, p); ref != nil {
		return nil, ref
	}
	if ref := g.checkBody(r, p); ref != nil {
		return nil, ref
	}
	if g.strips {
		g.cutPath(r, p) // now with the ID of the key
	}
	bound, ref := g.authorize(r, p)
	if ref != nil {
		return nil, ref
	}
	known := g.recall(p, bound)
	if ref := g.limit(r, p, bound, known); ref != nil {
		return nil, ref
	}
	if known != nil {
		return known, nil
	}
	return g.identifyAnew(r, p, bound)
}

// Close logs what was not yet reported.
func (g *Gate) Close() {
	if g.reporter != nil {
		g.reporter.flush()
	}
}

// passPreflight lets a CORS preflight through. It has neither key nor body, and no header
// may make the backend use another method.
func (g *Gate) passPreflight(w http.ResponseWriter, r *http.Request, p *passage, next Handler) error {
	g.emptyRequest(w, r, p)
	dropMethodOverrides(r.Header)
	return next.ServeHTTP(w, r)
}

// isPreflight reports whether the request is a CORS preflight (Fetch standard,
// section 3.2.2).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}
