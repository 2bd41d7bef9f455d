package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

// trip is one request on the short way. It is reused, but for its facts.
type trip struct {
	way  *shortWay
	w    http.ResponseWriter
	r    *http.Request
	repl *caddy.Replacer
	vars map[string]any

	to       *destination
	facts    *facts
	head     wire.Head
	host     string       // that is asked for, after header_up
	values   [4][1]string // of fields of our own
	exchange wire.Exchange
	body     int // where it begins in the message, 0 if it was not read
	buffer   []byte

	outcome outcome // for reverse_proxy
	pinned  bool    // reverse_proxy has to take the same backend
	spoiled bool    // others may still have the message
}

const (
	maxKept       = 2 * wire.MaxBody // capacity in bytes of the largest message that is kept for reuse
	maxKeptFields = 200              // of a header whose map is kept: to clear and read it takes time for all that it has room for
	minGrowth     = 4 << 10          // bytes by which a message that is full grows
)

func newTrip(s *shortWay) *trip {
	return &trip{way: s, head: wire.Head{Header: http.Header{}}}
}

// varShort is a variable of requests that were on the short way.
const varShort = "ingest_forward"

// begin starts a trip to a backend. It returns false if there is none, or if there was another
// proxy on the way of the request, whose placeholders only reverse_proxy can replace.
func (t *trip) begin(w http.ResponseWriter, r *http.Request) bool {
	ctx := r.Context()
	t.w, t.r = w, r
	t.vars, _ = ctx.Value(caddyhttp.VarsCtxKey).(map[string]any)
	t.repl, _ = ctx.Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if t.vars == nil || t.repl == nil || t.vars[varShort] != nil || t.vars[varProxied] != nil {
		return false
	}
	start := time.Now()
	upstream := t.way.policy.Select(t.way.held.Upstreams, r, w)
	if upstream == nil {
		return false
	}
	t.to = t.way.to[upstream]
	t.facts = &facts{to: t.to, start: start, requests: t.to.load(), fails: upstream.Fails()}
	t.to.requests.Add(1)
	t.vars[varShort] = true
	t.repl.Map(t.facts.placeholder)
	return true
}

// varProxied is a variable that reverse_proxy sets in every request. The site "behind
// forward_auth" of TestSites checks that it does.
const varProxied = "reverse_proxy.proxy_protocol_info"

// leave ends the count of a trip as a request on its way.
func (t *trip) leave() {
	if t.to != nil {
		t.to.requests.Add(-1)
		t.to = nil
	}
}

// free ends a trip.
func (t *trip) free() {
	message, buffer := t.exchange.Message[:0], t.buffer
	if t.spoiled || cap(message) > maxKept {
		message = nil
	}
	header := t.head.Header
	clear(header)
	if len(t.r.Header) > maxKeptFields {
		header = http.Header{}
	}
	*t = trip{way: t.way, head: wire.Head{Header: header}, buffer: buffer}
	t.exchange.Message = message
	t.way.trips.Put(t)
}

// value returns value as the only one of a field.
func (t *trip) value(slot int, value string) []string {
	t.values[slot][0] = value
	return t.values[slot][:]
}

// prepare writes the head of the request that will be sent.
func (t *trip) prepare() error {
	t.copyFields()
	t.forwarded()
	t.via()
	t.host = t.r.Host
	if t.way.up != nil {
		copied := *t.r
		copied.Header = t.head.Header
		t.way.up.ApplyToRequest(&copied)
		t.host = copied.Host
	}
	t.head.Method, t.head.Target = t.r.Method, t.r.URL.RequestURI()
	t.head.Host = cmp.Or(t.host, t.to.hostport)
	t.head.Length = t.r.ContentLength
	t.head.Gzip = t.asksForGzip()
	message, err := t.head.Append(t.exchange.Message)
	t.exchange.Message = message
	return err
}

// send sends the request, whose body is in the message, and returns the first response.
func (t *trip) send() (*http.Response, error) {
	t.exchange.Client, t.exchange.Request, t.exchange.Replayable = &t.to.client, t.r, t.head.Replayable()
	t.facts.sent = time.Now()
	return t.exchange.Send()
}

// readBody appends the body to the message. Room for it is made as it comes: a client has to send
// a quarter of what it takes of our memory.
func (t *trip) readBody() error {
	if t.r.ContentLength == 0 {
		return nil
	}
	message := t.exchange.Message
	t.body = len(message)
	end := t.body + int(t.r.ContentLength)
	for {
		if len(message) == cap(message) {
			message = slices.Grow(message, min(max(3*len(message), minGrowth), end+1-len(message)))
		}
		n, err := t.r.Body.Read(message[len(message):min(cap(message), end+1)])
		message = message[:len(message)+n]
		t.exchange.Message = message[:min(len(message), end)]
		switch {
		case len(message) > end:
			return fmt.Errorf("the request body is longer than its %d bytes", t.r.ContentLength)
		case errors.Is(err, io.EOF) && len(message) < end:
			return io.ErrUnexpectedEOF
		case errors.Is(err, io.EOF):
			return t.r.Body.Close()
		case t.r.Context().Err() != nil && err != nil:
			return context.Cause(t.r.Context())
		case err != nil:
			return err
		}
	}
}
