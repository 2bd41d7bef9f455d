package forward

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"go.uber.org/zap/zapcore"
)

// knows reports whether the short way knows all settings of a reverse_proxy, but for its
// transport and its policy. TestSettings lists all settings, so that none that Caddy adds is
// overlooked.
func knows(h *reverseproxy.Handler) bool {
	return h.CBRaw == nil && h.DynamicUpstreamsRaw == nil && h.FlushInterval == 0 &&
		h.RequestBuffers == 0 && h.ResponseBuffers == 0 && h.Rewrite == nil && len(h.HandleResponse) == 0 && !h.VerboseLogs &&
		knowsRetries(h.LoadBalancing) && knowsHealthChecks(h.HealthChecks) && knowsHeaders(h.Headers) && knowsUpstreams(h.Upstreams)
}

// knowsRetries: what is retried after a failure is decided by reverse_proxy, but a
// retry_match may also look at answers that are none.
func knowsRetries(lb *reverseproxy.LoadBalancing) bool {
	return lb == nil || lb.RetryMatchRaw == nil
}

func knowsHealthChecks(h *reverseproxy.HealthChecks) bool {
	return h == nil || h.Passive == nil || h.Passive.UnhealthyRequestCount == 0 && h.Passive.UnhealthyLatency == 0
}

// knowsHeaders: a replacement would change values that other handlers have, too.
func knowsHeaders(h *headers.Handler) bool {
	if h == nil || h.Request == nil {
		return true
	}
	if len(h.Request.Replace) > 0 {
		return false
	}
	for _, ops := range []http.Header{h.Request.Add, h.Request.Set} {
		for name := range ops {
			if strings.Contains(name, "{") || changesWay(http.CanonicalHeaderKey(name)) {
				return false
			}
		}
	}
	return true
}

func knowsUpstreams(upstreams reverseproxy.UpstreamPool) bool {
	for _, u := range upstreams {
		if _, ok := addressOf(u); !ok || u.MaxRequests != 0 {
			return false
		}
	}
	return len(upstreams) > 0
}

// addressOf returns where an upstream is. It is not ok if that depends on the request.
func addressOf(u *reverseproxy.Upstream) (address caddy.NetworkAddress, ok bool) {
	address, err := caddy.ParseNetworkAddress(u.Dial)
	ok = err == nil && address.PortRangeSize() == 1 && !strings.Contains(u.Dial, "{") &&
		slices.Contains([]string{"tcp", "tcp4", "tcp6", "unix"}, address.Network)
	return address, ok
}

// knowsPolicy reports whether a policy looks only at the upstreams.
func knowsPolicy(policy reverseproxy.Selector) bool {
	switch policy.(type) {
	case *reverseproxy.RandomSelection, *reverseproxy.RoundRobinSelection, *reverseproxy.FirstSelection, *reverseproxy.LeastConnSelection:
		return true
	}
	return false
}

// knowsTransport reports whether the short way knows all settings of a transport: those for
// connecting are left to it anyway.
func knowsTransport(t *reverseproxy.HTTPTransport) bool {
	return t.TLS == nil && t.NetworkProxyRaw == nil && t.ForwardProxyURL == "" && t.ProxyProtocol == "" && t.MaxConnsPerHost == 0 &&
		(t.ReadTimeout == 0 || t.ResponseHeaderTimeout == 0) && t.WriteBufferSize == 0 && t.ReadBufferSize == 0 &&
		slices.Contains(t.Versions, "1.1") && !slices.Contains(t.Versions, "h2c") &&
		(t.KeepAlive.Enabled == nil || *t.KeepAlive.Enabled) && t.KeepAlive.MaxIdleConns == 0
}

// isDirect reports whether no HTTP proxy, as from the environment, is between the transport and
// the upstreams.
func isDirect(t *reverseproxy.HTTPTransport, upstreams reverseproxy.UpstreamPool) bool {
	for _, u := range upstreams {
		address, _ := addressOf(u)
		r := &http.Request{URL: &url.URL{Scheme: "http", Host: address.JoinHostPort(0)}}
		if proxy, err := t.Transport.Proxy(r); proxy != nil || err != nil {
			return false
		}
	}
	return true
}

// rawTransport is what has to be known of a transport before it is loaded.
type rawTransport struct {
	Protocol  string `json:"protocol"`
	KeepAlive struct {
		MaxIdle int `json:"max_idle_conns_per_host"` // loading replaces 0
	} `json:"keep_alive"`
}

// loadTransport loads the transport before reverse_proxy does, unless it is another one than
// for HTTP: then it returns nil. maxIdle is how many idle connections to each backend it is
// told to keep, 0 if it is not told.
func loadTransport(ctx caddy.Context, h *reverseproxy.Handler) (t *reverseproxy.HTTPTransport, maxIdle int, err error) {
	if h.TransportRaw == nil {
		t = new(reverseproxy.HTTPTransport)
		h.Transport = t
		return t, 0, t.Provision(ctx)
	}
	var raw rawTransport
	if err := json.Unmarshal(h.TransportRaw, &raw); err != nil {
		return nil, 0, fmt.Errorf("loading transport: %w", err)
	}
	if raw.Protocol != "http" {
		return nil, 0, nil
	}
	module, err := ctx.LoadModule(h, "TransportRaw")
	if err != nil {
		return nil, 0, fmt.Errorf("loading transport: %w", err)
	}
	t = module.(*reverseproxy.HTTPTransport)
	h.Transport = t
	return t, raw.KeepAlive.MaxIdle, nil
}

// loadPolicy loads the selection policy before reverse_proxy does.
func loadPolicy(ctx caddy.Context, h *reverseproxy.Handler) (reverseproxy.Selector, error) {
	if h.LoadBalancing == nil {
		h.LoadBalancing = new(reverseproxy.LoadBalancing)
	}
	h.LoadBalancing.SelectionPolicy = new(reverseproxy.RandomSelection)
	if h.LoadBalancing.SelectionPolicyRaw == nil {
		return h.LoadBalancing.SelectionPolicy, nil
	}
	module, err := ctx.LoadModule(h.LoadBalancing, "SelectionPolicyRaw")
	if err != nil {
		return nil, fmt.Errorf("loading load balancing selection policy: %w", err)
	}
	h.LoadBalancing.SelectionPolicy = module.(reverseproxy.Selector)
	return h.LoadBalancing.SelectionPolicy, nil
}

// logsDetails reports whether reverse_proxy would log each request that it passes on.
func logsDetails(ctx caddy.Context) bool {
	return ctx.Logger().Core().Enabled(zapcore.DebugLevel)
}
