package gate

import (
	"errors"
	"net/http"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// authenticate looks up the one credential that was found so far.
func (g *Gate) authenticate(r *http.Request, p *passage) *refusal {
	ref := p.heed()
	found, err := p.set.One(g.firstCounts)
	switch {
	case ref != nil:
	case errors.Is(err, credential.ErrMissing):
		return refMissing
	case err != nil:
		p.caller = caller{} // no credential counts
		return refTooManyKeys(err)
	case p.record != nil && !found.Malformed:
		return nil // was looked up before, and is now also in the body
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
