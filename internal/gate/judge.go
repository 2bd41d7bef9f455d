package gate

import (
	"errors"
	"net/http"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// judge distinguishes keys from other values on a gate without configured locations. A
// value without a record belongs to somebody else: a device token, a user's own bearer
// token. It stays where it is and conflicts with nothing.
type judge struct {
	gate    *Gate
	request *http.Request
	now     time.Time

	caller          // of the first key with a record
	tally    *tally // of failed authentications, if they are too many
	ref      *refusal
	stranger *refusal // of the first value without a record
	strange  caller
}

// newJudge returns the judge of a request.
func (g *Gate) newJudge(r *http.Request, now time.Time) *judge {
	j, _ := g.judges.Get().(*judge)
	if j == nil {
		j = new(judge)
	}
	*j = judge{gate: g, request: r, now: now}
	return j
}

// free forgets the request.
func (j *judge) free() {
	g := j.gate
	*j = judge{}
	g.judges.Put(j)
}

// IsKey implements credential.Judge. When it is clear that the request is refused, it
// looks up nothing more.
func (j *judge) IsKey(location string, key []byte) bool {
	if j.ref == nil && j.record == nil && j.stranger == nil {
		j.tally, j.ref = j.gate.failedTooOften(j.request, j.now)
	}
	if j.ref != nil {
		return true
	}
	c, ref := j.gate.lookUp(j.request, credential.Found{Location: location, Key: key, Malformed: key == nil})
	switch {
	case ref == nil && j.record == nil:
		j.caller, j.ref = c, refState(c.record.State(j.now))
	case ref == nil: // a second key
	case ref.status != unauthorized: // nobody can tell
		j.caller, j.ref = c, ref
	default:
		if j.stranger == nil {
			j.strange, j.stranger = c, ref
		}
		return false
	}
	return true
}

// heed takes over what the judge has found out so far.
func (p *passage) heed() *refusal {
	if p.judge == nil {
		return nil
	}
	p.caller = p.judge.caller
	if p.judge.tally != nil {
		p.tally = p.judge.tally
	}
	return p.judge.ref
}

// blame returns why a request without a key is refused: if it has a value without a
// record, that is a wrong key.
func (p *passage) blame() *refusal {
	if p.judge == nil || p.judge.stranger == nil {
		return refMissing
	}
	p.caller = p.judge.strange
	return p.judge.stranger
}

// caller is the result of looking up a credential.
type caller struct {
	record *keysync.Record
	digest keysync.Digest
	found  string // where the credential was, "" if none counts
	lookup lookup
}

// lookUp finds the record of a credential, whatever its state.
func (g *Gate) lookUp(r *http.Request, found credential.Found) (caller, *refusal) {
	c := caller{found: found.Location}
	if found.Malformed || keysync.CheckKey(found.Key) == keysync.KeyDamaged {
		return c, refuseFor(malformedKey)
	}
	c.digest = keysync.DigestOf(found.Key)
	err := g.ask(r, &c)
	switch {
	case errors.Is(err, keysync.ErrUnknown):
		return c, refuseFor(unknownKey)
	case err != nil:
		return c, refUnavailable("API keys cannot be checked right now; try again", err)
	}
	return c, nil
}
