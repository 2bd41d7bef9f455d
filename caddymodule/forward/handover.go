package forward

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

// outcome is what became of a request on the short way.
type outcome struct {
	res   *http.Response // the first response, perhaps an informational one
	err   error
	known bool

	unsent bool // the request cannot be sent; the backend has no part in that
}

// tripKey is for a context whose request was on the short way.
type tripKey struct{}

func tripOf(r *http.Request) *trip {
	t, _ := r.Context().Value(tripKey{}).(*trip)
	return t
}

// handOver gives the request to reverse_proxy, which takes the same backend and the outcome, if
// it is known, as that of its own first attempt. What took long here counts there, too.
func (t *trip) handOver(next caddyhttp.Handler) error {
	elapsed := time.Since(t.facts.start)
	t.leave()
	t.pinned, t.spoiled = true, true
	r := t.r.WithContext(context.WithValue(t.r.Context(), tripKey{}, t))
	if t.body > 0 {
		r.Body = &rewinding{*bytes.NewReader(t.exchange.Message[t.body:])}
	}
	defer t.abandon()
	err := t.heldAfter(elapsed).ServeHTTP(t.w, r, next)
	for _, name := range [...]string{"duration", "upstream.duration", "upstream.latency"} {
		lengthen(t.repl, "http.reverse_proxy."+name, elapsed)
	}
	return err
}

// abandon gives up a response that nobody has asked for.
func (t *trip) abandon() {
	if !t.outcome.known || t.outcome.err != nil {
		return
	}
	if t.outcome.res.Body == nil { // it is an informational one
		t.exchange.Abandon()
		return
	}
	_ = t.outcome.res.Body.Close()
}

// heldAfter returns the held reverse_proxy with less time for retries. If the request cannot be
// sent, it retries nothing and counts no failure: a client could else make every backend count as
// down.
func (t *trip) heldAfter(elapsed time.Duration) *reverseproxy.Handler {
	held, lb := *t.way.held, *t.way.held.LoadBalancing
	switch {
	case t.outcome.unsent:
		held.HealthChecks, lb.Retries, lb.TryDuration = nil, 0, 0
	case lb.TryDuration > 0:
		lb.TryDuration = max(1, lb.TryDuration-caddy.Duration(elapsed))
	default:
		return t.way.held
	}
	held.LoadBalancing = &lb
	return &held
}

// lengthen adds to a placeholder for a duration, and to the one for its milliseconds.
func lengthen(repl *caddy.Replacer, name string, by time.Duration) {
	if value, ok := repl.Get(name); ok {
		if d, ok := value.(time.Duration); ok {
			repl.Set(name, d+by)
			repl.Set(name+"_ms", (d+by).Seconds()*1e3)
		}
	}
}

// rewinding is a body that can be sent again once it is closed.
type rewinding struct{ bytes.Reader }

// Close goes back to the first byte.
func (b *rewinding) Close() error {
	_, err := b.Seek(0, io.SeekStart)
	return err
}

// pinned is the policy of the held reverse_proxy.
type pinned struct{ reverseproxy.Selector }

// Select implements reverseproxy.Selector.
func (p pinned) Select(pool reverseproxy.UpstreamPool, r *http.Request, w http.ResponseWriter) *reverseproxy.Upstream {
	if t := tripOf(r); t != nil && t.pinned {
		t.pinned = false
		return t.facts.to.upstream
	}
	return p.Selector.Select(pool, r, w)
}

// relay is the transport of the held reverse_proxy.
type relay struct{ *reverseproxy.HTTPTransport }

// RoundTrip implements http.RoundTripper.
func (tr relay) RoundTrip(r *http.Request) (*http.Response, error) {
	if t := tripOf(r); t != nil && t.outcome.known {
		t.outcome.known = false
		return t.finish(r)
	}
	return tr.HTTPTransport.RoundTrip(r)
}

// finish returns the final response to a request that was handed over, as http.Transport would:
// informational ones go to the trace of r.
func (t *trip) finish(r *http.Request) (*http.Response, error) {
	res, err := t.outcome.res, t.outcome.err
	trace := httptrace.ContextClientTrace(r.Context())
	for err == nil && res.Body == nil {
		if trace != nil && trace.Got1xxResponse != nil {
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				t.exchange.Abandon()
				return nil, err
			}
		}
		res, err = t.exchange.Next()
	}
	if err != nil {
		return nil, err
	}
	t.undoGzip(res)
	return res, nil
}
