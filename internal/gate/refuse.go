package gate

import (
	"io"
	"net/http"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/answer"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
)

// refuse answers a request that does not get through.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, p *passage, ref *refusal) error {
	if ref == refMissing {
		g.noteSecondGate(r)
	}
	g.logRefusal(r, p, ref)
	g.observe(r, p, ref.verdict)
	g.peek(r, p, ref)
	g.emptyRequest(w, r, p)
	p.set.Judge = nil // everything goes
	g.remover.Headers(r.Header, p.set)
	g.redactQuery(r)
	if p.record != nil && g.copies != keepCopies {
		g.cutHead(r, p) // for error routes
	}
	h := w.Header()
	switch ref.status.http {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", g.challenge(ref))
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "1")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	p.setHeaders(h)
	if isGRPC(r) { // whatever `errors` says: its shapes are of bodies, and here is none
		answer.GRPC(w, ref.status.grpc, ref.message)
		return nil
	}
	if g.errors == errorsHost {
		return g.host.Error(ref.status.http, ref.message)
	}
	for _, e := range g.settings.ErrorBodies {
		if e.Status == ref.status.http {
			answer.Write(w, e.Status, e.ContentType, g.host.Expand(r, e.Body))
			return nil
		}
	}
	if g.errors == errorsProblem {
		answer.Write(w, ref.status.http, "application/problem+json", problemBody(ref))
		return nil
	}
	answer.Write(w, ref.status.http, "application/json", jsonBody(ref))
	return nil
}

// emptyRequest leaves nothing of the body: it was not searched for keys to the
// end.
func (g *Gate) emptyRequest(w http.ResponseWriter, r *http.Request, p *passage) {
	unread := p.body == nil && hasBody(r)
	switch {
	case unread && body.AwaitsContinue(r):
		g.turnAway(w, r)
	case unread && g.host.IsCopy(r):
		drain(w, r)
	}
	clear(r.Trailer)
	r.Body, r.GetBody, r.ContentLength, r.TransferEncoding, r.Trailer = http.NoBody, nil, 0, nil, nil
	for _, name := range []string{"Content-Length", "Content-Encoding", "Expect", "Trailer", "Transfer-Encoding"} {
		delete(r.Header, name)
	}
}

// turnAway has a client that waits answered at once, and the connection closed.
// net/http does so by itself, but not for a body that a handler has wrapped: it would
// wait for that before it answers.
func (g *Gate) turnAway(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if g.host.IsCopy(r) { // whoever has the other one must not read the body
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		_ = r.Body.Close()
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

// redactQuery takes out of the query what may be a key in a place or an encoding
// that is no configured location. The query of a request that was refused is
// only of use to error routes.
func (g *Gate) redactQuery(r *http.Request) {
	r.URL.RawQuery = g.names.Query(r.URL.RawQuery)
	r.RequestURI = WithQuery(r.RequestURI, r.URL.RawQuery)
	original := g.originalQuery(r)
	if clean := g.names.Query(original); clean != original {
		g.setOriginalQuery(r, clean)
	}
}

// challenge is the WWW-Authenticate value (RFC 9110, section 11.6.1; RFC 6750,
// section 3).
func (g *Gate) challenge(ref *refusal) string {
	challenge := "ApiKey"
	for _, l := range g.settings.Credentials {
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
	return answer.JSON(struct {
		Error string `json:"error"`
		Code  string `json:"code"`
		*limitMembers
	}{ref.message, ref.verdict.code(), membersOf(ref)})
}

// problemBody is the answer as RFC 9457 has it.
func problemBody(ref *refusal) string {
	return answer.JSON(struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Code   string `json:"code"`
		*limitMembers
	}{"about:blank", http.StatusText(ref.status.http), ref.status.http, ref.message, ref.verdict.code(), membersOf(ref)})
}

func (g *Gate) logRefusal(r *http.Request, p *passage, ref *refusal) {
	g.describe(r, p, ref)
	if c := g.log.Check(zap.DebugLevel, "request refused"); c != nil {
		c.Write(zap.Inline(refusedID{p.record, ref}), zap.Int("status", ref.status.http), zap.NamedError("cause", ref.cause))
	}
}

// describe tells placeholders and the access log why a request is refused. If that is for want
// of a good key, whatever stands in it may be one.
func (g *Gate) describe(r *http.Request, p *passage, ref *refusal) {
	id := refusedID{record: p.record, ref: ref}
	g.host.Introduce(r, p.placeholders(id.placeholder), id)
	if p.record == nil || ref.unauthenticated() {
		g.host.LacksKey(r)
		g.names.Span(p.span, true)
	}
}

// limitMembers are the members of an error body that describe a limit.
type limitMembers struct {
	Limit     int64 `json:"limit"`
	Remaining int64 `json:"remaining"`
	ResetTime int64 `json:"resetTime"` // Unix seconds
}

// membersOf returns what the body says of the limit that refuses, or nil.
func membersOf(ref *refusal) *limitMembers {
	if ref.limit == nil {
		return nil
	}
	return &limitMembers{ref.limit.Limit, ref.limit.Remaining, unixSeconds(ref.limit.Reset)}
}

// unixSeconds is the end of a window as clients are told: rounded up.
func unixSeconds(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

// noteSecondGate tells the operator, once, of a request without a key that another gate has
// let through. That one has taken its key, which may be the one that is missing here; or the
// client lacks a second key that this gate wants.
func (g *Gate) noteSecondGate(r *http.Request) {
	if g.host.Value(r, placeholderTaken) != true {
		return
	}
	g.secondGate.Do(func() {
		g.log.Warn("another ingest_auth removed the key of a request before this one saw it: unless clients must send two keys, let each request pass through only one ingest_auth, for example with handle blocks")
	})
}
