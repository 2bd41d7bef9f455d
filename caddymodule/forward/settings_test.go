package forward

import (
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/google/go-cmp/cmp"
)

// TestSettings lists every setting of reverse_proxy and its transport, by its name in JSON. The
// kind: a setting that a new version of Caddy brings, and that the short way does not know. Add
// it here once knows, knowsTransport and the others deal with it.
func TestSettings(t *testing.T) {
	for _, tc := range []struct {
		settings any
		names    string
	}{
		{
			reverseproxy.Handler{}, `circuit_breaker dynamic_upstreams flush_interval handle_response headers health_checks load_balancing
			proxy_status_name request_buffers response_buffers rewrite stream_buffer_size stream_close_delay stream_timeout transport trusted_proxies upstreams verbose_logs`,
		},
		{reverseproxy.LoadBalancing{}, "retries retry_match selection_policy try_duration try_interval"},
		{reverseproxy.HealthChecks{}, "active passive"},
		{reverseproxy.PassiveHealthChecks{}, "fail_duration max_fails unhealthy_latency unhealthy_request_count unhealthy_status"},
		{reverseproxy.Upstream{}, "dial max_requests"},
		{headers.Handler{}, "request response"},
		{headers.HeaderOps{}, "add delete replace set"},
		{headers.RespHeaderOps{}, "deferred require"},
		{
			reverseproxy.HTTPTransport{}, `compression dial_fallback_delay dial_timeout expect_continue_timeout forward_proxy_url keep_alive local_address
			max_conns_per_host max_response_header_size network_proxy proxy_protocol read_buffer_size read_timeout resolver
			response_header_timeout tls versions write_buffer_size write_timeout`,
		},
		{reverseproxy.KeepAlive{}, "enabled idle_timeout max_idle_conns max_idle_conns_per_host probe_interval"},
	} {
		if diff := cmp.Diff(strings.Fields(tc.names), namesInJSON(tc.settings)); diff != "" {
			t.Errorf("%T: known -, there are +\n%s", tc.settings, diff)
		}
	}
}

// namesInJSON returns the names of the fields of a struct, sorted.
func namesInJSON(settings any) []string {
	names := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeOf(settings)) {
		if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name != "" && name != "-" && len(f.Index) == 1 {
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

// TestKnows changes one setting of a reverse_proxy at a time.
func TestKnows(t *testing.T) {
	for name, tc := range map[string]struct {
		set  func(*reverseproxy.Handler)
		want bool
	}{
		"nothing":           {func(*reverseproxy.Handler) {}, true},
		"no upstreams":      {func(h *reverseproxy.Handler) { h.Upstreams = nil }, false},
		"Unix socket":       {func(h *reverseproxy.Handler) { h.Upstreams[0].Dial = "unix//run/s" }, true},
		"UDP":               {func(h *reverseproxy.Handler) { h.Upstreams[0].Dial = "udp/localhost:1" }, false},
		"placeholder":       {func(h *reverseproxy.Handler) { h.Upstreams[0].Dial = "{env.X}:1" }, false},
		"max_requests":      {func(h *reverseproxy.Handler) { h.Upstreams[0].MaxRequests = 1 }, false},
		"dynamic":           {func(h *reverseproxy.Handler) { h.DynamicUpstreamsRaw = []byte("{}") }, false},
		"circuit breaker":   {func(h *reverseproxy.Handler) { h.CBRaw = []byte("{}") }, false},
		"flush_interval":    {func(h *reverseproxy.Handler) { h.FlushInterval = -1 }, false},
		"buffers":           {func(h *reverseproxy.Handler) { h.RequestBuffers = 1 }, false},
		"verbose_logs":      {func(h *reverseproxy.Handler) { h.VerboseLogs = true }, false},
		"retries":           {func(h *reverseproxy.Handler) { h.LoadBalancing = &reverseproxy.LoadBalancing{Retries: 1} }, true},
		"fail_duration":     {passive(reverseproxy.PassiveHealthChecks{FailDuration: 1, UnhealthyStatus: []int{5}}), true},
		"unhealthy_latency": {passive(reverseproxy.PassiveHealthChecks{UnhealthyLatency: 1}), false},
		"request count":     {passive(reverseproxy.PassiveHealthChecks{UnhealthyRequestCount: 1}), false},
		"header_up":         {up(headers.HeaderOps{Set: http.Header{"Host": {"x"}}, Delete: []string{"*"}}), true},
		"header_up upgrade": {up(headers.HeaderOps{Set: http.Header{"upgrade": {"x"}}}), false},
		"header_up name":    {up(headers.HeaderOps{Add: http.Header{"{env.X}": {"x"}}}), false},
		"header_up replace": {up(headers.HeaderOps{Replace: map[string][]headers.Replacement{"A": {}}}), false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &reverseproxy.Handler{Upstreams: reverseproxy.UpstreamPool{{Dial: "localhost:1"}}}
			tc.set(h)
			if got := knows(h); got != tc.want {
				t.Errorf("the short way knows the settings: %t", got)
			}
		})
	}
}

func passive(checks reverseproxy.PassiveHealthChecks) func(*reverseproxy.Handler) {
	return func(h *reverseproxy.Handler) { h.HealthChecks = &reverseproxy.HealthChecks{Passive: &checks} }
}

func up(ops headers.HeaderOps) func(*reverseproxy.Handler) {
	return func(h *reverseproxy.Handler) { h.Headers = &headers.Handler{Request: &ops} }
}

// TestKnowsTransport changes one setting of a transport at a time.
func TestKnowsTransport(t *testing.T) {
	off, on := false, true
	for name, tc := range map[string]struct {
		set  func(*reverseproxy.HTTPTransport)
		want bool
	}{
		"nothing":        {func(*reverseproxy.HTTPTransport) {}, true},
		"time-outs":      {func(t *reverseproxy.HTTPTransport) { t.DialTimeout, t.ReadTimeout, t.WriteTimeout = 1, 1, 1 }, true},
		"both time-outs": {func(t *reverseproxy.HTTPTransport) { t.ReadTimeout, t.ResponseHeaderTimeout = 1, 1 }, false},
		"TLS":            {func(t *reverseproxy.HTTPTransport) { t.TLS = new(reverseproxy.TLSConfig) }, false},
		"h2c":            {func(t *reverseproxy.HTTPTransport) { t.Versions = []string{"h2c", "1.1"} }, false},
		"only HTTP/2":    {func(t *reverseproxy.HTTPTransport) { t.Versions = []string{"2"} }, false},
		"proxy":          {func(t *reverseproxy.HTTPTransport) { t.NetworkProxyRaw = []byte("{}") }, false},
		"proxy URL":      {func(t *reverseproxy.HTTPTransport) { t.ForwardProxyURL = "http://x" }, false},
		"PROXY protocol": {func(t *reverseproxy.HTTPTransport) { t.ProxyProtocol = "v2" }, false},
		"connections":    {func(t *reverseproxy.HTTPTransport) { t.MaxConnsPerHost = 1 }, false},
		"buffer":         {func(t *reverseproxy.HTTPTransport) { t.ReadBufferSize = 1 }, false},
		"keepalive":      {func(t *reverseproxy.HTTPTransport) { t.KeepAlive.Enabled = &on }, true},
		"keepalive off":  {func(t *reverseproxy.HTTPTransport) { t.KeepAlive.Enabled = &off }, false},
		"idle at most":   {func(t *reverseproxy.HTTPTransport) { t.KeepAlive.MaxIdleConns = 1 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			transport := &reverseproxy.HTTPTransport{Versions: []string{"1.1", "2"}, KeepAlive: new(reverseproxy.KeepAlive)}
			tc.set(transport)
			if got := knowsTransport(transport); got != tc.want {
				t.Errorf("the short way knows the settings: %t", got)
			}
		})
	}
}

// TestLeastConn counts requests of both ways.
func TestLeastConn(t *testing.T) {
	pool := reverseproxy.UpstreamPool{{Dial: "a:1", Host: new(reverseproxy.Host)}, {Dial: "b:1", Host: new(reverseproxy.Host)}, {Dial: "c:1", Host: new(reverseproxy.Host)}}
	s := &shortWay{to: map[*reverseproxy.Upstream]*destination{}}
	for i, requests := range []int64{3, 1, 1} {
		d := &destination{upstream: pool[i], requests: new(atomic.Int64)}
		d.requests.Store(requests)
		s.to[pool[i]] = d
	}
	seen := map[string]int{}
	for range 1000 {
		seen[leastConn{s}.Select(pool, nil, nil).Dial]++
	}
	if seen["a:1"] > 0 || seen["b:1"] < 400 || seen["c:1"] < 400 {
		t.Errorf("selected %v", seen)
	}
}
