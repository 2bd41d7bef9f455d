package forward

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

const (
	defaultMaxIdle           = 128      // idle connections to each backend
	defaultMaxResponseHeader = 10 << 20 // bytes, that of http.Transport
)

// shortWay is what plain requests to the backends of one reverse_proxy take.
type shortWay struct {
	held      *reverseproxy.Handler // the other way
	policy    reverseproxy.Selector
	transport *reverseproxy.HTTPTransport
	to        map[*reverseproxy.Upstream]*destination
	trusted   []netip.Prefix // trusted_proxies
	up        *headers.HeaderOps
	down      *headers.RespHeaderOps
	bad       []int // statuses that count as failures
	log       *zap.Logger
	trips     sync.Pool
}

// destination is a backend.
type destination struct {
	upstream *reverseproxy.Upstream
	address  caddy.NetworkAddress
	hostport string
	requests *atomic.Int64 // see underWay
	client   wire.Client
}

// newShortWay prepares the short way beside a reverse_proxy that is not provisioned yet. It
// returns nil if the settings need reverse_proxy.
func newShortWay(ctx caddy.Context, held *reverseproxy.Handler) (*shortWay, error) {
	if !knows(held) || logsDetails(ctx) {
		return nil, nil
	}
	transport, maxIdle, err := loadTransport(ctx, held)
	if err != nil {
		return nil, err
	}
	policy, err := loadPolicy(ctx, held)
	if err != nil {
		return nil, err
	}
	if transport == nil || !knowsTransport(transport) || !isDirect(transport, held.Upstreams) || !knowsPolicy(policy) {
		return nil, nil
	}
	s := &shortWay{held: held, policy: policy, transport: transport, log: ctx.Logger()}
	s.trips.New = func() any { return newTrip(s) }
	for _, trusted := range held.TrustedProxies {
		prefix, err := caddyhttp.CIDRExpressionToPrefix(trusted)
		if err != nil {
			return nil, err
		}
		s.trusted = append(s.trusted, prefix)
	}
	if held.Headers != nil {
		s.up, s.down = held.Headers.Request, held.Headers.Response
	}
	if held.HealthChecks != nil && held.HealthChecks.Passive != nil {
		s.bad = held.HealthChecks.Passive.UnhealthyStatus
	}
	s.to = destinations(held.Upstreams, transport, cmp.Or(maxIdle, defaultMaxIdle))
	s.takePart()
	return s, nil
}

// takePart puts the short way between reverse_proxy and its policy and transport.
func (s *shortWay) takePart() {
	if _, ok := s.policy.(*reverseproxy.LeastConnSelection); ok {
		s.policy = leastConn{s}
	}
	s.held.LoadBalancing.SelectionPolicy = pinned{s.policy}
	s.held.Transport = relay{s.transport}
}

func destinations(upstreams reverseproxy.UpstreamPool, t *reverseproxy.HTTPTransport, maxIdle int) map[*reverseproxy.Upstream]*destination {
	to := make(map[*reverseproxy.Upstream]*destination, len(upstreams))
	for _, u := range upstreams {
		address, _ := addressOf(u)
		hostport := address.JoinHostPort(0)
		to[u] = &destination{
			upstream: u, address: address, hostport: hostport, requests: requestsUnderWay(u),
			client: wire.Client{
				Dial: func(ctx context.Context) (net.Conn, error) {
					return t.Transport.DialContext(ctx, address.Network, hostport)
				},
				ResponseHeaderTimeout: time.Duration(t.ResponseHeaderTimeout),
				WriteTimeout:          writeTimeout(t, address),
				MaxResponseHeader:     cmp.Or(t.MaxResponseHeaderSize, defaultMaxResponseHeader),
				MaxIdle:               maxIdle,
				IdleTimeout:           time.Duration(t.KeepAlive.IdleConnTimeout),
			},
		}
	}
	return to
}

// load returns how many requests are on their way to the backend.
func (d *destination) load() int { return d.upstream.NumRequests() + int(d.requests.Load()) }

// writeTimeout returns the write_timeout that the connections to an address have: those over TCP.
func writeTimeout(t *reverseproxy.HTTPTransport, address caddy.NetworkAddress) time.Duration {
	if address.IsUnixNetwork() {
		return 0
	}
	return time.Duration(t.WriteTimeout)
}

// close closes the idle connections, and the others when their request ends.
func (s *shortWay) close() {
	for u, d := range s.to {
		d.client.Close()
		_, _ = underWay.Delete(u.String())
	}
}

// serve forwards a plain request.
func (s *shortWay) serve(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	t := s.trips.Get().(*trip)
	defer t.free()
	if !t.begin(w, r) {
		return s.held.ServeHTTP(w, r, next)
	}
	defer t.leave()
	if err := t.prepare(); err != nil {
		t.outcome = outcome{unsent: true}
		return t.handOver(next) // reverse_proxy says what is wrong
	}
	if err := t.readBody(); err != nil {
		t.outcome = outcome{err: err, known: true, unsent: true}
		return t.handOver(next)
	}
	res, err := t.send()
	if err != nil || !t.isPlainAnswer(res) {
		t.outcome = outcome{res: res, err: err, known: true}
		return t.handOver(next)
	}
	return t.answer(res)
}
