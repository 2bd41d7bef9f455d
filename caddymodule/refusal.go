package caddymodule

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// refusal is why a request does not get through.
type refusal struct {
	status  int
	code    string // for the client's program: stable, lower case
	message string // for the client's author
	verdict string // for logs and placeholders, where it differs from the code
	cause   error  // for logs only

	limit *limit.State // that refuses, nil unless one does
}

var (
	refMissing    = &refusal{status: http.StatusUnauthorized, code: "missing_key", message: "Missing API key"}
	refCandidates = &refusal{status: http.StatusBadRequest, code: "too_many_candidates", message: "Request has too many values that may be API keys"}
	refConflict   = &refusal{status: http.StatusBadRequest, code: "conflicting_credentials", message: "Request has more than one API key"}
	refMode       = &refusal{status: http.StatusForbidden, code: "wrong_mode", message: "This kind of API key is not accepted here"}
	refNotJSON    = &refusal{status: http.StatusUnsupportedMediaType, code: "unsupported_type", message: "Unsupported Content-Type; use application/json"}
	refPath       = &refusal{status: http.StatusBadRequest, code: "malformed_path", message: "Malformed path"}
)

// refTooManyKeys refuses a request in which more than one value is, or may be, a key.
func refTooManyKeys(err error) *refusal {
	if errors.Is(err, credential.ErrCandidates) {
		return refCandidates
	}
	return refConflict
}

const codeInvalid = "invalid_key"

// refInvalid refuses a key. Clients are not told what is wrong with it; the
// verdict says so to operators.
func refInvalid(verdict string) *refusal {
	return &refusal{status: http.StatusUnauthorized, code: codeInvalid, message: "Invalid API key", verdict: verdict}
}

// unauthenticated reports whether the request has no good key.
func (ref *refusal) unauthenticated() bool {
	return ref == refMissing || ref.code == codeInvalid
}

func refState(s keysync.State) *refusal {
	switch s {
	case keysync.StateActive:
		return nil
	case keysync.StateExpired:
		return refInvalid("expired_key")
	case keysync.StateRevoked:
		return refInvalid("revoked_key")
	default:
		return refInvalid("key_not_yet_valid")
	}
}

func refUnavailable(err error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "unavailable", message: "API keys cannot be checked right now; try again", cause: err}
}

func refSigning(err error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "unavailable", message: "The request cannot be vouched for right now; try again", cause: err}
}

func refQuery(err error) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "malformed_query", message: "Malformed query", cause: err}
}

func refScope(d config.Denial) *refusal {
	return denied(d, refusal{status: http.StatusForbidden, code: "insufficient_scope", message: "API key lacks the required scope"})
}

func refResource(name string, d config.Denial) *refusal {
	return denied(d, refusal{status: http.StatusNotFound, code: "resource_mismatch", message: "Invalid " + name})
}

// denied returns the refusal with what the configuration says of it.
func denied(d config.Denial, ref refusal) *refusal {
	if d.Status != 0 {
		ref.status = d.Status
	}
	if d.Message != "" {
		ref.message = d.Message
	}
	return &ref
}

func refNoResource(name string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "missing_resource", message: "Missing " + name}
}

func refMissingParameter(name string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "missing_parameter", message: "Missing parameter: " + name}
}

func refShape(shape string) *refusal {
	return &refusal{status: http.StatusBadRequest, code: "wrong_shape", message: "Body should be an " + shape}
}

// refMissingField refuses a row, counted from 0, without required members. Row -1
// stands for a body that is no array, and for an array of rows that is not there.
func refMissingField(r config.Requirement, row int) *refusal {
	message := "Missing field: " + strings.Join(r.Fields, ", ")
	switch {
	case r.In != "" && row < 0:
		message = "Missing field: " + r.In
	case r.Any && len(r.Fields) > 1:
		message = "Missing field: one of " + strings.Join(r.Fields, ", ")
	}
	if row >= 0 {
		message += " (item " + strconv.Itoa(row)
		if r.In != "" {
			message += " of " + r.In
		}
		message += ")"
	}
	return &refusal{status: http.StatusBadRequest, code: "missing_field", message: message}
}

// verdictOf returns the verdict for logs and placeholders.
func (ref *refusal) verdictOf() string {
	if ref.verdict != "" {
		return ref.verdict
	}
	return ref.code
}

// refuse answers a request that does not get through.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, p *passage, ref *refusal) error {
	if ref == refMissing {
		g.noteSecondGate(r)
	}
	g.logRefusal(r, p, ref)
	g.observe(r, p, ref.verdictOf())
	g.peek(r, p, ref)
	p.emptyRequest(w, r)
	p.set.Judge = nil // everything goes
	g.remover.Headers(r.Header, p.set)
	redactQuery(r)
	h := w.Header()
	switch ref.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", g.challenge(ref))
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "1")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	p.setHeaders(h)
	if isGRPC(r) { // whatever `errors` says: its shapes are of bodies, and here is none
		answerGRPC(w, ref)
		return nil
	}
	if g.Errors == "caddy" {
		return caddyhttp.Error(ref.status, errors.New(ref.message))
	}
	for _, e := range g.ErrorBodies {
		if e.Status == ref.status {
			repl := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
			answer(w, ref.status, e.ContentType, repl.ReplaceKnown(e.Body, ""))
			return nil
		}
	}
	if g.Errors == "problem" {
		answer(w, ref.status, "application/problem+json", problemBody(ref))
		return nil
	}
	answer(w, ref.status, "application/json", jsonBody(ref))
	return nil
}

// emptyRequest leaves nothing of the body: it was not searched for keys to the
// end.
func (p *passage) emptyRequest(w http.ResponseWriter, r *http.Request) {
	unread := p.body == nil && hasBody(r)
	switch {
	case unread && awaitsContinue(r):
		turnAway(w, r)
	case unread && isCopy(r):
		drain(w, r)
	}
	clear(r.Trailer)
	r.Body, r.GetBody, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, nil, 0, nil, nil
	for _, name := range []string{"Content-Length", "Content-Encoding", "Expect", "Trailer", "Transfer-Encoding"} {
		delete(r.Header, name)
	}
}

// maxDrain is as much of a body as is waited for before the rest is given up.
const maxDrain = 256 << 10

// drain reads a body that another copy of the request holds too, so that nobody
// can read it there. A body that is too long to wait for ends with an error, and so
// does what has not arrived on a stream of its own (HTTP/2): a client that streams may
// be waiting for the answer. In HTTP/1.1 that would end the connection.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		if _, err := io.CopyN(io.Discard, r.Body, maxDrain); err != nil {
			return
		}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	_, _ = io.Copy(io.Discard, r.Body)
}

// isCopy reports whether r is a copy of the request that the server holds, which
// handlers such as tracing make. The replacer was made for the server's.
func isCopy(r *http.Request) bool {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	const probe = "probe"
	method := r.Method
	r.Method = probe
	seen, _ := repl.GetString("http.request.method")
	r.Method = method
	return seen != probe
}

// redactQuery takes out of the query what may be a key in a place or an encoding
// that is no configured location. The query of a request that was refused is
// only of use to error routes.
func redactQuery(r *http.Request) {
	r.URL.RawQuery = keyNames.Query(r.URL.RawQuery)
	r.RequestURI = withQuery(r.RequestURI, r.URL.RawQuery)
	original := originalQuery(r)
	if clean := keyNames.Query(original); clean != original {
		setOriginalQuery(r, clean)
	}
}

// challenge is the WWW-Authenticate value (RFC 9110, section 11.6.1; RFC 6750,
// section 3).
func (g *Gate) challenge(ref *refusal) string {
	challenge := "ApiKey"
	for _, l := range g.Credentials {
		if l.In == config.InBearer {
			challenge = "Bearer"
		}
	}
	challenge += ` realm="ingest"`
	if ref != refMissing {
		challenge += `, error="invalid_token"`
	}
	return challenge
}

func jsonBody(ref *refusal) string {
	return encode(struct {
		Error string `json:"error"`
		Code  string `json:"code"`
		*limitMembers
	}{ref.message, ref.code, membersOf(ref)})
}

// problemBody is the answer as RFC 9457 has it.
func problemBody(ref *refusal) string {
	return encode(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		*limitMembers
	}{"about:blank", http.StatusText(ref.status), ref.status, ref.message, ref.code, membersOf(ref)})
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // cannot be: v is made of strings and integers
	}
	return string(b)
}

func answer(w http.ResponseWriter, status int, contentType, body string) {
	h := w.Header()
	if contentType != "" {
		h.Set("Content-Type", contentType)
	} else {
		h["Content-Type"] = nil // keeps net/http from guessing
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // the client is gone if this fails
}

func (g *Gate) logRefusal(r *http.Request, p *passage, ref *refusal) {
	g.describe(r, p, ref)
	if c := g.log.Check(zap.DebugLevel, "request refused"); c != nil {
		c.Write(zap.Inline(refusedID{p.record, ref}), zap.Int("status", ref.status), zap.NamedError("cause", ref.cause))
	}
}

// describe tells placeholders and the access log what there is to say against a
// request.
func (g *Gate) describe(r *http.Request, p *passage, ref *refusal) {
	id := refusedID{record: p.record, ref: ref}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(p.placeholders(id.placeholder))
	}
	addLogField(r, zap.Inline(id))
}
