package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.opentelemetry.io/otel/trace"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// ServeHTTP takes a request through the gate.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	p := passage{set: credential.GetSet(), now: time.Now()}
	defer p.end(r)
	if g.guesses {
		p.judge = g.newJudge(r, p.now)
		p.set.Judge = p.judge
	}
	if g.reporter != nil {
		return g.report(w, r, &p, next)
	}
	p.cors = g.corsFor(r.Header)

	ref := g.takeHead(r, &p)
	switch {
	case p.cors.active && isPreflight(r):
		p.cors.answerPreflight(w, r)
		return nil
	case ref != nil:
		return g.refuse(w, r, &p, ref)
	case g.PassPreflights && isPreflight(r):
		return p.passPreflight(w, r, next)
	}
	id, ref := g.admit(r, &p)
	if ref != nil {
		return g.refuse(w, r, &p, ref)
	}
	g.introduce(r, &p, id)
	g.observe(r, &p, verdictAllowed)

	err := p.forward(w, r, next)
	switch {
	case err == nil:
		p.release()
	case errors.Is(err, body.ErrTooLarge): // a streamed body turned out to be
		delete(r.Header, "Expect") // which was met
		return g.refuse(w, r, &p, refBody(err))
	}
	return err
}

// passage is the way of one request through the gate.
type passage struct {
	set    *credential.Set
	now    time.Time
	slot   []string     // storage of a removed header, for the identity header
	judge  *judge       // of a gate that names no locations
	body   *body.Buffer // what was read of the request, nil if nothing was
	replay *body.Replay // the body as the next handler sees it
	opaque bool         // the body is of a type that is not looked at
	caller

	// Of a gate that only reports:
	verdict   string          // that the assertion carries
	recording *body.Recording // of the body as it came; nil if it was not looked at
	ownHeaders

	flights *limit.InFlight // holds the request under flight, nil if it does not
	flight  limit.CounterKey

	// For metrics and traces:
	span      trace.Span // that Caddy's tracing started; one that records nothing if there is none
	readsBody bool
	observed  bool
}

// end gives back what the passage borrowed, except for the body: that belongs to
// the next handlers until release.
func (p *passage) end(r *http.Request) {
	credential.PutSet(p.set)
	if p.judge != nil {
		p.judge.free()
	}
	switch {
	case p.replay != nil:
		p.replay.Abandon(r.Context()) // unless it was released
	case p.body != nil:
		p.body.Free()
	}
	if p.recording != nil {
		p.recording.Free()
	}
	if p.flights != nil {
		p.flights.Release(p.flight)
	}
}

// release gives the memory of the body back. It must not be called after an
// error, because error routes may still read the body.
func (p *passage) release() {
	if p.replay != nil {
		p.replay.Release()
	}
}

// admit establishes who is calling and whether the key is good for this request.
// What costs least comes first: a wrong key in the head is refused before the
// body is read.
func (g *Gate) admit(r *http.Request, p *passage) (*grant, *refusal) {
	if ref := g.identify(r, p); ref != nil && (ref != refMissing || !g.keysInBody) {
		return nil, ref
	}
	if ref := g.enter(p); ref != nil {
		return nil, ref
	}
	if hasBody(r) { // it may take longer than the configuration lasts
		g.lease.enter()
		defer g.lease.leave()
	}
	if ref := g.takeBody(r, p); ref != nil {
		return nil, ref
	}
	switch ref := g.identify(r, p); {
	case ref == refMissing:
		ref = p.blame()
		g.noteFailure(r, p.now, ref)
		return nil, ref
	case ref != nil:
		return nil, ref
	}
	if ref := g.checkBody(r, p); ref != nil {
		return nil, ref
	}
	bound, ref := g.authorize(r, p)
	if ref != nil {
		return nil, ref
	}
	if ref := g.limit(r, p, bound); ref != nil {
		return nil, ref
	}
	return g.grant(r, p, bound)
}

// identify looks up the one credential that was found so far.
func (g *Gate) identify(r *http.Request, p *passage) *refusal {
	ref := p.heed()
	found, err := p.set.One(g.Conflict == "first")
	switch {
	case ref != nil:
	case errors.Is(err, credential.ErrMissing):
		return refMissing
	case err != nil:
		p.caller = caller{} // none of them counts
		return refTooManyKeys(err)
	case p.record != nil && !found.Malformed:
		return nil // looked up before, now also found in the body
	default:
		ref = g.lookUpOnly(r, p, found)
	}
	g.noteFailure(r, p.now, ref)
	return ref
}

// lookUpOnly looks up the only credential of a request.
func (g *Gate) lookUpOnly(r *http.Request, p *passage, found credential.Found) (ref *refusal) {
	p.found = found.Location
	tally, ref := g.failedTooOften(r, p.now)
	if ref != nil {
		p.tally = tally
		return ref
	}
	if p.caller, ref = g.lookUp(r, found); ref != nil {
		return ref
	}
	return refState(p.record.State(p.now))
}

// passPreflight lets a CORS preflight through, which carries neither a key nor a
// body, and must not be taken for another method by the backend.
func (p *passage) passPreflight(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	p.emptyRequest(w, r)
	dropMethodOverrides(r.Header)
	return next.ServeHTTP(w, r)
}

// isPreflight reports whether the request is a CORS preflight (Fetch standard,
// section 3.2.2).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}
