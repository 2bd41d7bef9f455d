package gate

import (
	"io"
	"net/http"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/answer"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
)

// refuse answers a refused request.
func (g *Gate) refuse(w http.ResponseWriter, r *http.Request, p *passage, ref *refusal) error {
	if ref == refMissing {
		g.noteSecondGate(r)
	}
	g.logRefusal(r, p, ref)
	g.observe(r, p, ref.verdict)
	g.peek(r, p, ref)
	g.emptyRequest(w, r, p)
	p.set.Judge = nil // remove everything
	g.remover.Headers(r.Header, p.set)
	g.redactQuery(r)
	g.dropPath(r, p)
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
	if isGRPC(r) { // `errors` does not apply: it shapes bodies, and gRPC answers have none
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

// emptyRequest removes the body, because it was not searched for keys to the end.
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

// turnAway makes net/http answer a waiting client at once and close the connection.
// net/http does that by itself, except if a handler has wrapped the body: then it would
// wait for the body first.
func (g *Gate) turnAway(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if g.host.IsCopy(r) { // the holder of the other one must not read the body
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
		_ = r.Body.Close()
	}
}

// maxDrain is how much of a body is read before the rest is given up.
const maxDrain = 256 << 10

// drain reads a body to its end, so that nobody can read it from another copy of the
// request. A body that is too long ends with an error. With HTTP/2 a body that has not
// arrived also ends with an error, because a client that streams may be waiting for the
// answer. With HTTP/1.1 that would end the connection.
func drain(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		if _, err := io.CopyN(io.Discard, r.Body, maxDrain); err != nil {
			return
		}
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Unix(1, 0))
	_, _ = io.Copy(io.Discard, r.Body)
}

// redactQuery removes from the query everything that may be a key in another place or
// encoding than the configured ones. Only error routes use the query of a refused
// request.
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
	challenge := g.scheme + ` realm="ingest"`
	if ref != refMissing {
		challenge += `, error="invalid_token"`
	}
	return challenge
}

// challengeScheme is the scheme of Authorization that clients are asked to use: Bearer, or
// one that was configured, or a word of ours if they cannot use that header.
func challengeScheme(credentials []config.Location) string {
	scheme := "ApiKey"
	for _, l := range slices.Backward(credentials) {
		switch l.In {
		case config.InBearer:
			return "Bearer"
		case config.InScheme:
			scheme = l.Names[0]
		}
	}
	return scheme
}

func jsonBody(ref *refusal) string {
	return answer.JSON(struct {
		Error string `json:"error"`
		Code  string `json:"code"`
		*limitMembers
	}{ref.message, ref.verdict.code(), membersOf(ref)})
}

// problemBody is the answer in the form of RFC 9457.
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
// of a good key, everything in it may be a key.
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

// membersOf returns the members about the limit that refuses, or nil.
func membersOf(ref *refusal) *limitMembers {
	if ref.limit == nil {
		return nil
	}
	return &limitMembers{ref.limit.Limit, ref.limit.Remaining, unixSeconds(ref.limit.Reset)}
}

// unixSeconds is the end of a window for clients: rounded up.
func unixSeconds(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }

// noteSecondGate tells the operator, once, that a request without a key has come through
// another gate. That gate may have removed the key that is missing here, or the client lacks
// a second key for this gate.
func (g *Gate) noteSecondGate(r *http.Request) {
	if g.host.Value(r, placeholderTaken) != true {
		return
	}
	g.secondGate.Do(func() {
		g.log.Warn("another ingest_auth removed the key of a request before this one saw it: unless clients must send two keys, let each request pass through only one ingest_auth, for example with handle blocks")
	})
}
