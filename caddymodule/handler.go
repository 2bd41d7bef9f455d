package caddymodule

import (
	"errors"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// ServeHTTP takes a request through the gate.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	p := passage{set: credential.GetSet(), now: time.Now()}
	defer p.end(r)
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
	slot   []string // storage of a removed header, for the identity header
	record *keysync.Record
	digest keysync.Digest
	found  string       // where the credential stood, "" if none counts
	body   *body.Buffer // what was read of the request, nil if nothing was
	replay *body.Replay // the body as the next handler sees it
	opaque bool         // the body is of a type that is not looked at

	// Of a gate that only reports:
	verdict   string          // that the assertion carries
	recording *body.Recording // of the body as it came; nil if it was not looked at
	ownHeaders

	flights *limit.InFlight // holds the request under flight, nil if it does not
	flight  limit.CounterKey

	// For metrics and traces:
	lookup    lookup
	readsBody bool
	observed  bool
}

// end gives back what the passage borrowed, except for the body: that belongs to
// the next handlers until release.
func (p *passage) end(r *http.Request) {
	credential.PutSet(p.set)
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
	if hasBody(r) { // it may take longer than the configuration lasts
		g.lease.enter()
		defer g.lease.leave()
	}
	if ref := g.takeBody(r, p); ref != nil {
		return nil, ref
	}
	if ref := g.identify(r, p); ref != nil {
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
	found, err := p.set.One(g.Conflict == "first")
	switch {
	case errors.Is(err, credential.ErrMissing):
		return refMissing
	case err != nil:
		return refConflict
	case p.record != nil:
		return nil // the same credential as before, now also found in the body
	}
	p.found = found.Location
	if ref := g.failedTooOften(r, p); ref != nil {
		return ref
	}
	ref := g.lookUp(r, p, found)
	if ref != nil {
		g.noteFailure(r, p, ref)
	}
	return ref
}

// lookUp finds the record of a credential.
func (g *Gate) lookUp(r *http.Request, p *passage, found credential.Found) *refusal {
	if found.Malformed || keysync.CheckKey(found.Key) == keysync.KeyDamaged {
		return refInvalid("malformed_key")
	}
	p.digest = keysync.DigestOf(found.Key)
	record, err := g.ask(r, p)
	switch {
	case errors.Is(err, keysync.ErrUnknown):
		return refInvalid("unknown_key")
	case err != nil:
		return refUnavailable(err)
	}
	p.record = record
	return refState(record.State(p.now))
}

// passPreflight lets a CORS preflight through, which carries neither a key nor a
// body, and must not be taken for another method by the backend.
func (p *passage) passPreflight(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	p.emptyRequest(w, r)
	for _, name := range methodOverrides {
		delete(r.Header, name)
	}
	return next.ServeHTTP(w, r)
}

// methodOverrides are headers that some backends take another method from.
var methodOverrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// isPreflight reports whether the request is a CORS preflight (Fetch standard,
// section 3.2.2).
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}
