package gate

import (
	"net/http"
	"net/url"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// passage is the way of one request through the gate.
type passage struct {
	set    *credential.Set
	now    time.Time
	slot   []string     // storage of a removed header, for the identity header
	judge  *judge       // of a gate that names no locations
	body   *body.Buffer // what was read of the body, nil if nothing was read
	replay *body.Replay // the body as the next handler sees it
	head   *body.Buffer // the beginning of a multipart body of which the rest streams
	media  media        // of the body that was read
	opaque bool         // the body is of a type that holds no JSON

	path     pathKeys      // what is to be removed from the path
	inQuery  bool          // the query has a JSON document, which is used as the body
	original *url.URL      // as the client sent it, nil if the host does not keep it
	copies   copies.Places // in which the key stood once more
	caller

	// Of a gate that only reports:
	verdict   Verdict         // for the assertion
	recording *body.Recording // of the body as it came; nil if it was not looked at
	ownHeaders

	network   string          // of the client, if a limit counts by it
	entered   *limit.InFlight // counts the request as in flight, nil if nothing does
	enteredAs limit.CounterKey

	// For metrics and traces:
	span      trace.Span // started by the server's tracing; without tracing one that records nothing
	readsBody bool
	observed  bool
}

// end gives back everything that the passage borrowed, except the body: that belongs to
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
	case p.head != nil:
		p.head.Leave()
	}
	if p.recording != nil {
		p.recording.Free()
	}
	if p.entered != nil {
		p.entered.Release(p.enteredAs)
	}
}

// release frees the memory of the body. It must not be called after an error, because
// error routes may still read the body.
func (p *passage) release() {
	if p.replay != nil {
		p.replay.Release()
	}
}
