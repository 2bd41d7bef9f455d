package gate

import (
	"net/http"
	"strings"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	placeholderPrefix = "http.ingest_auth."
	placeholderUserID = "http.auth.user.id"

	// placeholderTaken is for other gates on the way of the request: see Gate.noteSecondGate.
	placeholderTaken = placeholderPrefix + "taken"
)

// placeholders answers placeholders by their names.
type placeholders = func(name string) (any, bool)

// identity is who calls: a record, the resources it was bound to, and the
// assertion that says so. It never changes, so all requests of the same identity share it
// until the assertion is renewed.
type identity struct {
	record      *keysync.Record
	bound       []boundResource
	assertion   string
	renew       time.Time // when half of the assertion's life is over
	taken       bool      // the key was removed from the request
	placeholder placeholders
	// takes are those that nothing but the record decides, by index of the limits. The others
	// have no key.
	takes []limit.Take
}

// recall returns the identity of the request if it is known, else nil.
func (g *Gate) recall(p *passage, bound []boundResource) *identity {
	if g.binding != bindNothing {
		return nil
	}
	return g.identities.get(p, bound)
}

// identify returns the identity of the request, a known one if there is one.
func (g *Gate) identify(r *http.Request, p *passage, bound []boundResource) (*identity, *refusal) {
	if known := g.recall(p, bound); known != nil {
		return known, nil
	}
	return g.identifyAnew(r, p, bound)
}

// identifyAnew returns a new identity, and remembers it if other requests may have the same.
func (g *Gate) identifyAnew(r *http.Request, p *passage, bound []boundResource) (*identity, *refusal) {
	if g.binding != bindNothing {
		return g.newIdentity(p, bound, g.boundClaims(r, p))
	}
	fresh, ref := g.newIdentity(p, bound, &assertion.Claims{})
	if ref == nil {
		fresh.takes = g.limiter.takesOf(p.record)
		g.identities.put(p, fresh)
	}
	return fresh, ref
}

func (g *Gate) newIdentity(p *passage, bound []boundResource, c *assertion.Claims) (*identity, *refusal) {
	rec := p.record
	if rec != nil {
		c.Subject, c.KeyID, c.Mode, c.Env = rec.Account, rec.KeyID, rec.Mode, rec.Env
		c.Scope = strings.Join(rec.Scopes, " ")
	}
	c.Res = resourceClaims(bound)
	if !g.enforces {
		c.Verdict = p.verdict.String()
	}
	token, err := g.signer.Sign(c, p.now)
	if err != nil {
		return nil, refUnavailable("The request cannot be signed right now; try again", err)
	}
	id := &identity{record: rec, bound: bound, assertion: token, renew: p.now.Add(g.halfLife), taken: g.strips}
	id.placeholder = id.value
	return id, nil
}

// value answers placeholders.
func (id *identity) value(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, placeholderPrefix)
	switch {
	case key == placeholderUserID:
		return id.record.KeyID, true
	case !ours:
		return nil, false
	case key == placeholderTaken:
		return id.taken, true
	case name == "verdict":
		return allowed.String(), true
	case strings.HasPrefix(name, "res."):
		return boundValue(id.bound, name[len("res."):]), true
	}
	return recordValue(id.record, name)
}

func recordValue(rec *keysync.Record, name string) (any, bool) {
	switch name {
	case "key_id":
		return rec.KeyID, true
	case "account":
		return rec.Account, true
	case "mode":
		return rec.Mode, true
	case "env":
		return rec.Env, true
	case "scope":
		return strings.Join(rec.Scopes, " "), true
	case "error", "code":
		return "", true
	}
	return nil, false
}

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (id *identity) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	logRecord(enc, id.record)
	enc.AddString("verdict", allowed.String())
	return nil
}

func logRecord(enc zapcore.ObjectEncoder, rec *keysync.Record) {
	if rec == nil {
		return
	}
	enc.AddString("key_id", rec.KeyID)
	enc.AddString("account", rec.Account)
	enc.AddString("mode", rec.Mode)
}

// refusedID is what is known about the caller of a refused request.
type refusedID struct {
	record *keysync.Record
	ref    *refusal
}

// placeholder answers placeholders.
func (id refusedID) placeholder(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, placeholderPrefix)
	switch {
	case ours && name == "verdict":
		return id.ref.verdict.String(), true
	case ours && name == "error":
		return id.ref.message, true
	case ours && name == "code":
		return id.ref.verdict.code(), true
	case id.record != nil && key == placeholderUserID:
		return id.record.KeyID, true
	case ours && id.record != nil:
		return recordValue(id.record, name)
	case ours:
		return "", true
	}
	return nil, false
}

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (id refusedID) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	logRecord(enc, id.record)
	enc.AddString("verdict", id.ref.verdict.String())
	return nil
}

// introduce tells everybody downstream who is calling: the backend in the
// identity header, the configuration in placeholders, the access log in fields.
func (g *Gate) introduce(r *http.Request, p *passage, id *identity) {
	if p.slot == nil {
		p.slot = make([]string, 1)
	}
	p.slot[0] = id.assertion
	r.Header[g.header] = p.slot
	g.host.Introduce(r, p.placeholders(id.placeholder), id)
}

// boundClaims are the claims that bind an assertion to the request as the
// backend sees it.
func (g *Gate) boundClaims(r *http.Request, p *passage) *assertion.Claims {
	c := &assertion.Claims{
		Method:      r.Method,
		Path:        r.URL.EscapedPath(),
		QueryDigest: assertion.Digest([]byte(r.URL.RawQuery)),
	}
	if content, known := g.forwardedBody(p); known && g.binding == bindBody {
		c.BodyDigest = assertion.Digest(content)
	}
	return c
}

// forwardedBody returns the body as the backend sees it. known is false if the gate is in
// report mode and has not read it to its end.
func (g *Gate) forwardedBody(p *passage) (content []byte, known bool) {
	if p.recording != nil && (!g.strips || p.replay == nil) {
		return p.recording.Bytes()
	}
	if p.body == nil {
		return nil, p.recording == nil
	}
	return p.body.Bytes(), true
}
