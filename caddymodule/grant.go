package caddymodule

import (
	"net/http"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	placeholderPrefix = "http.ingest_auth."
	placeholderUserID = "http.auth.user.id"
	verdictAllowed    = "allowed"

	// placeholderTaken is for other gates on the way of the request, see Gate.noteSecondGate.
	placeholderTaken = placeholderPrefix + "taken"
)

// grant is an identity: a record, the resources it was bound to, and the
// assertion that says so. It does not change after it was made, so that all
// requests of the same identity share it until the assertion is renewed.
type grant struct {
	record      *keysync.Record
	verdict     string // that the assertion carries, "" unless the gate only reports
	bound       []boundResource
	assertion   string
	renew       time.Time // when half of the assertion's life is over
	taken       bool      // the key was removed from the request
	placeholder caddy.ReplacerFunc
}

// grant returns the identity of the request, a known one if there is one.
func (g *Gate) grant(r *http.Request, p *passage, bound []boundResource) (*grant, *refusal) {
	if g.Bind != "" {
		return g.newGrant(p, bound, g.boundClaims(r, p))
	}
	if known := g.grants.get(p, bound); known != nil {
		return known, nil
	}
	fresh, ref := g.newGrant(p, bound, &assertion.Claims{})
	if ref == nil {
		g.grants.put(p, fresh)
	}
	return fresh, ref
}

func (g *Gate) newGrant(p *passage, bound []boundResource, c *assertion.Claims) (*grant, *refusal) {
	rec := p.record
	if rec != nil {
		c.Subject, c.KeyID, c.Mode, c.Env = rec.Account, rec.KeyID, rec.Mode, rec.Env
		c.Scope = strings.Join(rec.Scopes, " ")
	}
	c.Res = resourceClaims(bound)
	c.Verdict = p.verdict
	token, err := g.signer.Sign(c, p.now)
	if err != nil {
		return nil, refSigning(err)
	}
	id := &grant{record: rec, verdict: p.verdict, bound: bound, assertion: token, renew: p.now.Add(g.halfLife), taken: g.Strip != "off"}
	id.placeholder = id.value
	return id, nil
}

// value answers placeholders.
func (id *grant) value(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, placeholderPrefix)
	switch {
	case key == placeholderUserID:
		return id.record.KeyID, true
	case !ours:
		return nil, false
	case key == placeholderTaken:
		return id.taken, true
	case name == "verdict":
		return verdictAllowed, true
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
func (id *grant) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	logRecord(enc, id.record)
	enc.AddString("verdict", verdictAllowed)
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

// refusedID is what is known of the caller of a request that was refused.
type refusedID struct {
	record *keysync.Record
	ref    *refusal
}

// placeholder answers placeholders.
func (id refusedID) placeholder(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, placeholderPrefix)
	switch {
	case ours && name == "verdict":
		return id.ref.verdictOf(), true
	case ours && name == "error":
		return id.ref.message, true
	case ours && name == "code":
		return id.ref.code, true
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
	enc.AddString("verdict", id.ref.verdictOf())
	return nil
}

// introduce tells everybody downstream who is calling: the backend in the
// identity header, the configuration in placeholders, the access log in fields.
func (g *Gate) introduce(r *http.Request, p *passage, id *grant) {
	if p.slot == nil {
		p.slot = make([]string, 1)
	}
	p.slot[0] = id.assertion
	r.Header[g.identity] = p.slot
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(p.placeholders(id.placeholder))
	}
	addLogField(r, zap.Inline(id))
}

// addLogField adds a field to the request's entry in the access log, if the
// server has one.
func addLogField(r *http.Request, f zap.Field) {
	ctx := r.Context()
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); !ok || srv.Logs == nil {
		return
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(f)
	}
}
