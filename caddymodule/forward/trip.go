package forward

import (
	"cmp"
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
	values   [4][1]string // of fields of our own
	exchange wire.Exchange
	body     int // where it begins in the message, 0 if it was not read
	buffer   []byte

	outcome outcome // for reverse_proxy
	pinned  bool    // reverse_proxy has to take the same backend
	spoiled bool    // others may still have the message
}

// maxKept is the capacity in bytes of the largest message that is kept for reuse.
const maxKept = 2 * wire.MaxBody

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
	t.facts = &facts{to: t.to, start: start, requests: t.way.requests(upstream), fails: upstream.Fails()}
	t.to.requests.Add(1)
	t.vars[varShort] = true
	t.repl.Map(t.facts.placeholder)
	return true
}

// varProxied is a variable that reverse_proxy sets in every request. TestVarProxied checks
// that it does.
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
	clear(t.head.Header)
	*t = trip{way: t.way, head: wire.Head{Header: t.head.Header}, buffer: buffer}
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
	host := t.r.Host
	if t.way.up != nil {
		copied := *t.r
		copied.Header = t.head.Header
		t.way.up.ApplyToRequest(&copied)
		host = copied.Host
	}
	t.head.Method, t.head.Target = t.r.Method, t.r.URL.RequestURI()
	t.head.Host = cmp.Or(host, t.to.hostport)
	t.head.Length = t.r.ContentLength
	t.head.Gzip = t.asksForGzip()
	message, err := t.head.Append(t.exchange.Message)
	t.exchange.Message = message
	return err
}

// send sends the request and returns the first response.
func (t *trip) send() (*http.Response, error) {
	if err := t.readBody(); err != nil {
		return nil, err
	}
	t.exchange.Client, t.exchange.Request = &t.to.client, t.r
	t.facts.sent = time.Now()
	return t.exchange.Send()
}

// readBody appends the body to the message.
func (t *trip) readBody() error {
	if t.r.ContentLength == 0 {
		return nil
	}
	message := t.exchange.Message
	t.body = len(message)
	length := int(t.r.ContentLength)
	message = slices.Grow(message, length+1)[:t.body+length+1] // one more byte than there should be
	n, err := io.ReadFull(t.r.Body, message[t.body:])
	t.exchange.Message = message[:t.body+min(n, length)]
	switch {
	case err == nil:
		return fmt.Errorf("the request body is longer than its %d bytes", length)
	case n < length && errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	case n < length:
		return err
	}
	return t.r.Body.Close()
}
