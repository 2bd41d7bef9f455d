package forward_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
)

// TestSites sends requests to sites with all kinds of settings.
func TestSites(t *testing.T) {
	r := start(t)
	odd, closing := asked(oddAnswers(), keep), asked(closingAnswers(), finish)
	for i := range settings {
		s := &settings[i]
		if s.site == "" || s.only && s.asks == nil {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			all := s.asks
			if !s.only {
				all = append(someExchanges(s.name, odd, closing), all...)
			}
			if s.anyOrder {
				all = slices.DeleteFunc(all, func(x exchange) bool { return !answered(x) })
			}
			if s.noBody {
				all = slices.DeleteFunc(slices.Clone(all), exchange.hasBody)
			}
			if why := differ[s.name]; why != "" {
				l := r.lane(t, s.name)
				if !slices.ContainsFunc(all, func(x exchange) bool { return l.takes(x) && l.diff(x) != "" }) {
					t.Errorf("%q does not differ any more (%s): take it from the list", s.name, why)
				}
				return
			}
			r.compareAll(t, s.name, all)
		})
	}
}

// someExchanges are usual ones and some that are put together by chance, others for each name.
func someExchanges(name string, odd, closing []exchange) []exchange {
	seed := uint64(len(name))
	for _, c := range name {
		seed = seed*31 + uint64(c)
	}
	random := rand.New(rand.NewPCG(seed, 7))
	all := []exchange{
		{request: request{name: "GET", header: []string{"X-A: 1", "X-A: 2", "X-Gone: 1", "X-Wild-A: 1", "User-Agent: t"}}, answers: usualAnswers[1:2]},
		{request: request{name: "POST", method: "POST", target: "/a%20b?c=d", framing: length, body: `{"a":1}`, header: []string{"Content-Type: application/json"}}, answers: usualAnswers[:1]},
		{request: request{name: "POST of chunks", method: "POST", framing: chunks, body: "abcdef"}, answers: usualAnswers[:1]},
		{request: request{name: "GET forwarded", header: []string{"X-Forwarded-For: 1.2.3.4", "X-Forwarded-Proto: https", "X-Forwarded-Host: other.test", "Via: 1.0 x"}}, answers: usualAnswers[2:3]},
		{request: request{name: "HEAD", method: "HEAD"}, answers: []answer{{name: "head", bytes: head + "Content-Length: 5\r\nX-A: b\r\n\r\n", end: finish}}},
		{request: request{name: "GET", h2: true}, answers: usualAnswers[:1]},
		{request: request{name: "GET"}, answers: []answer{{name: "500", bytes: withLength("HTTP/1.1 500 Oh\r\nX-A: b\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n", "oh")}}},
		{request: request{name: "GET"}, answers: []answer{{name: "nothing", end: finish}}},
		{request: request{name: "POST", method: "POST", framing: length, body: "abc"}, answers: []answer{{name: "rubbish", bytes: "rubbish\r\n\r\n", end: finish}}},
	}
	if !drill.On() {
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		all = all[:4]
	}
	for range drill.Size(1, 10) {
		all = append(all, exchange{request: generate(random), answers: []answer{pick(random, usualAnswers)}}, pick(random, odd), pick(random, closing))
	}
	return all
}

// answered reports whether all backends answer with something.
func answered(x exchange) bool {
	return !slices.ContainsFunc(x.answers, func(a answer) bool { return a.bytes == "" })
}

var (
	get  = request{name: "GET"}
	post = request{name: "POST", method: "POST", framing: length, body: "abcdefgh"}

	authorized = answer{name: "authorized", bytes: withLength("HTTP/1.1 200 OK\r\nX-A: b\r\n", "")}

	silence  = answer{name: "silence", end: hang}
	hangUp   = answer{name: "nothing", end: finish}
	resets   = answer{name: "a reset", end: reset}
	fine     = answer{name: "length", bytes: ok}
	failing  = answer{name: "500", bytes: withLength("HTTP/1.1 500 Oh\r\n", "oh")}
	halfHead = answer{name: "half a header", bytes: head + "Content-Le", end: hang}
)

// in makes an exchange.
func in(q request, answers ...answer) exchange { return exchange{request: q, answers: answers} }

// times repeats an exchange.
func times(n int, x exchange) []exchange {
	var all []exchange
	for range n {
		all = append(all, x)
	}
	return all
}

func proxy(block string) string { return "{{proxy}} {{1}} {\n" + block + "\n}" }

func transport(block string) string { return proxy("transport http {\n" + block + "\n}") }

// placeholders are all that the directive sets.
const placeholders = "a={http.reverse_proxy.upstream.address} hp={http.reverse_proxy.upstream.hostport} h={http.reverse_proxy.upstream.host} " +
	"p={http.reverse_proxy.upstream.port} r={http.reverse_proxy.upstream.requests} m={http.reverse_proxy.upstream.max_requests} f={http.reverse_proxy.upstream.fails} " +
	"latency={http.reverse_proxy.upstream.latency} ms={http.reverse_proxy.upstream.latency_ms} s={rp.status_code} t={rp.status_text} ha={rp.header.X-A} hc={rp.header.Set-Cookie} hl={rp.header.Content-Length}"

// placeholdersAfter are also those of the end.
const placeholdersAfter = placeholders + " retries={http.reverse_proxy.retries} duration={http.reverse_proxy.duration} ms={http.reverse_proxy.duration_ms} " +
	"duration={http.reverse_proxy.upstream.duration} ms={http.reverse_proxy.upstream.duration_ms}"

const handleErrors = `
handle_errors {
	header X-Error "` + placeholdersAfter + `"
	respond "{err.status_code} {err.status_text}: {err.message}"
}
`

// settings are all sites of the rig.
var settings = []setting{
	{name: "plain", site: "{{proxy}} {{1}}", lanes: 6},
	{name: "cannot be sent", logs: true, site: "request_body {\nmax_size 10\n}\n{{proxy}} {{1}} {\nfail_duration 1h\nlb_retries 2\nheader_up X-Q {query.q}\n}", only: true},
	{name: "streams", site: "{{proxy}} {{1}}", only: true, lanes: 4},

	// what a client can be
	{name: "Unix socket in front", site: "{{proxy}} {{1}}", front: overUnix},
	{name: "Unix socket in front, trusted", site: "{{proxy}} {{1}}", front: overUnix, options: "trusted_proxies static private_ranges\ntrusted_proxies_unix"},
	{name: "TLS in front", site: "{{proxy}} {{1}}", front: overTLS},
	{name: "IPv6 in front", site: "{{proxy}} {{1}}", front: overIPv6},
	{name: "trusted by the site", site: proxy("trusted_proxies private_ranges")},
	{name: "trusted by address", site: proxy("trusted_proxies 10.0.0.0/8 127.0.0.1")},
	{name: "trusted others", site: proxy("trusted_proxies 10.0.0.0/8 192.0.2.1")},
	{name: "trusted by the server", site: "{{proxy}} {{1}}", options: "trusted_proxies static 127.0.0.1/8"},
	{name: "underscores", site: "{{proxy}} {{1}}", options: "expected_underscore_headers X_* X-Forwarded_For"},

	// headers to the backend
	{name: "header_up sets", site: proxy("header_up X-Set v\nheader_up x-a \"{http.request.uri} {http.request.header.X-A} {upstream_hostport} {http.reverse_proxy.upstream.fails}\"\nheader_up X-Empty \"\"")},
	{name: "header_up adds", site: proxy("header_up +X-A added\nheader_up +X-A added-too\nheader_up +X-New n")},
	{name: "header_up deletes", site: proxy("header_up -X-Gone\nheader_up -X-Wild-*\nheader_up -*-Type\nheader_up -Via\nheader_up -X-Forwarded-Host")},
	{name: "header_up deletes all", site: proxy("header_up -*"), asks: brokenOff},
	{name: "header_up replaces in all", site: proxy("header_up * a A")},
	{name: "header_up replaces", site: proxy("header_up X-A ^(.)$ <$1>\nheader_up Cookie a=([a-z]) \"a=$1$1\"")},
	{name: "header_up all at once", site: proxy("header_up X-A one\nheader_up +X-A two\nheader_up -X-A\nheader_up X-B {http.request.header.X-A}")},
	{name: "header_up Host", site: proxy("header_up Host {upstream_hostport}")},
	{name: "header_up Host fixed", site: proxy("header_up Host backend.test:81\nheader_up X-Host {http.request.host}")},
	{name: "header_up Host replaced", site: proxy("header_up Host example Example")},
	{name: "header_up Host deleted", site: proxy("header_up -Host"), asks: brokenOff},
	{name: "header_up Host added", site: proxy("header_up +Host more.test")},
	{name: "header_up User-Agent deleted", site: proxy("header_up -User-Agent")},
	{name: "header_up User-Agent", site: proxy("header_up User-Agent me")},
	{name: "header_up Accept-Encoding", site: proxy("header_up Accept-Encoding identity")},
	{name: "header_up Accept-Encoding deleted", site: proxy("header_up -Accept-Encoding\nheader_up -Range")},
	{name: "header_up X-Forwarded", site: proxy("header_up X-Forwarded-For {client_ip}\nheader_up -X-Forwarded-Proto\nheader_up +X-Forwarded-Host x")},
	{name: "header_up of the connection", site: proxy("header_up Connection keep-alive\nheader_up Keep-Alive x\nheader_up Te trailers\nheader_up Proxy-Authorization x")},
	{name: "header_up Connection: close", site: proxy("header_up Connection close")},
	{name: "header_up Upgrade", site: proxy("header_up Connection Upgrade\nheader_up Upgrade websocket")},
	{name: "header_up framing", site: proxy("header_up Content-Length 3\nheader_up Transfer-Encoding chunked\nheader_up Trailer X-Sum")},
	{name: "header_up Expect", site: proxy("header_up Expect 100-continue\ntransport http {\nexpect_continue_timeout 50ms\n}")},
	{name: "header_up Incremental", site: proxy("header_up Incremental ?1")},
	{name: "header_up odd", site: proxy("header_up lower-case v\nheader_up X-Odd \"{http.request.header.X-Latin}\"\nheader_up X-Lines \"a\nb\"")},
	{name: "header_up Sec-WebSocket", site: proxy("header_up Sec-WebSocket-Key x\nheader_up Cookie \"a; b\"")},
	{name: "method and rewrite", site: proxy("method PUT\nrewrite /x{uri}")},
	{name: "method GET", site: proxy("method GET")},
	{name: "rewrite", site: proxy("rewrite /fixed?{query}&more=1")},

	// headers to the client
	{name: "header_down sets", site: proxy("header_down X-Set v\nheader_down Server mine\nheader_down x-a \"{rp.header.X-A} {http.reverse_proxy.status_code} {upstream_hostport} {http.request.uri}\"")},
	{name: "header_down adds", site: proxy("header_down +Set-Cookie added=1\nheader_down +X-A added\nheader_down +Server s\nheader_down +Via v")},
	{name: "header_down deletes", site: proxy("header_down -Server\nheader_down -X-*\nheader_down -Via\nheader_down -Content-Type\nheader_down -Date")},
	{name: "header_down replaces", site: proxy("header_down Location ^/ https://x/\nheader_down Set-Cookie a b\nheader_down Content-Type json JSON")},
	{name: "header defaults", site: "header ?X-A default\nheader ?Cache-Control no-store\n{{proxy}} {{1}}"},
	{name: "header_down framing", site: proxy("header_down -Content-Length")},
	{name: "header_down Content-Encoding", site: proxy("header_down -Content-Encoding\nheader_down Vary x")},
	{name: "header_down of the connection", site: proxy("header_down Connection close\nheader_down Keep-Alive x\nheader_down Upgrade y\nheader_down Proxy-Authenticate z")},
	{name: "header_down event stream", site: proxy("header_down Content-Type text/event-stream")},
	{name: "header_down Trailer", site: proxy("header_down Trailer X-Sum\nheader_down Trailer:X-T 1")},

	// one of several backends
	{name: "round_robin", site: "{{proxy}} {{1}} {{2}} {{3}} {\nlb_policy round_robin\n}"},
	{name: "first", site: "{{proxy}} {{1}} {{2}} {\nlb_policy first\n}"},
	{name: "random", site: "{{proxy}} {{1}} {{2}}", anyOrder: true},
	{name: "least_conn", site: "{{proxy}} {{1}} {{2}} {\nlb_policy least_conn\n}", anyOrder: true},
	{name: "least_conn busy", site: "handle /other {\n{{proxy}} {{1}} {{2}}\n}\nhandle {\n{{proxy}} {{1}} {{2}} {\nlb_policy least_conn\n}\n}", only: true},
	{name: "cookie", site: "{{proxy}} {{1}} {{2}} {\nlb_policy cookie lb secret\n}", anyOrder: true},
	{name: "header policy", site: "{{proxy}} {{1}} {{2}} {\nlb_policy header X-A\n}", anyOrder: true},
	{name: "weighted", site: "{{proxy}} {{1}} {{2}} {\nlb_policy weighted_round_robin 2 1\n}"},
	{name: "to", site: "{{proxy}} {\nto http://{{1}} http://{{2}}\nlb_policy round_robin\n}"},
	{name: "backend from a variable", site: "vars up {{1}}\n{{proxy}} {http.vars.up}"},
	{name: "backend from a header", site: "{{proxy}} {http.request.header.X-Up} {{1}} {\nlb_policy first\n}"},
	{name: "Unix socket from a variable", site: "vars up {{1}}\n{{proxy}} {http.vars.up}", unix: true},
	{name: "incremental and buffers", site: proxy("request_buffers 4KiB\nresponse_buffers 4KiB\nproxy_status_name here"), asks: []exchange{
		in(request{name: "incremental POST", method: "POST", framing: length, body: "abc", header: []string{"Incremental: ?1"}}, fine),
		in(request{name: "incremental GET", header: []string{"Incremental: ?1"}}, fine),
		in(get, answer{name: "incremental", bytes: withLength(head+"Incremental: ?1\r\nProxy-Status: a; error=b\r\n", "ok")}),
	}},
	{name: "Unix sockets", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nheader_up X-Up \"{upstream_hostport} {http.reverse_proxy.upstream.host} {http.reverse_proxy.upstream.port}\"\nheader_up Host {upstream_hostport}\n}", unix: true},
	{name: "Unix sockets, no Host", site: "{{proxy}} {{1}} {\nheader_up -Host\n}", unix: true, asks: brokenOff},
	{name: "path matcher", site: "{{proxy}} /a* {{1}}\nrespond 404"},
	{name: "no backends", site: "{{proxy}}\n# {{1}}"},

	// failures
	{name: "dead", site: "{{proxy}} {{dead}}\n# {{1}}" + handleErrors},
	{name: "dead, retries", site: "{{proxy}} {{dead}} {{1}} {\nlb_policy first\nlb_retries 2\n}", asks: retried},
	{name: "dead, then alive", site: "{{proxy}} {{dead}} {{1}} {\nlb_policy round_robin\nlb_retries 2\nfail_duration 1h\n}\nlog_append proxy \"" + placeholdersAfter + `"`, asks: retried},
	{name: "all dead, retries", site: "{{proxy}} {{dead}} {\nlb_retries 3\n}\n# {{1}}" + handleErrors},
	{name: "all dead for a time", site: "{{proxy}} {{dead}} {\nlb_try_duration 60ms\nlb_try_interval 20ms\n}\n# {{1}}", only: true, asks: []exchange{in(get, fine), in(post, fine)}},
	{name: "try_duration", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nlb_try_duration 20s\nlb_try_interval 1ms\n}", only: true, asks: retriedInTime},
	{name: "retries", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nlb_retries 2\n}" + handleErrors, asks: retried},
	{name: "retries of POST", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nlb_retries 1\nlb_retry_match {\nmethod GET PUT\n}\n}", asks: retried},
	{name: "retries of answers", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nlb_retries 1\nlb_retry_match {\nexpression `{rp.status_code} in [500, 502]`\n}\n}", asks: retried},
	{name: "retries of headers", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nlb_retries 2\nlb_retry_match {\nexpression `{rp.header.X-A} == \"b\"`\n}\nlb_retry_match {\nexpression `{rp.is_transport_error} == true`\n}\n}", only: true, noBody: true, asks: retried},
	{name: "fails", site: "{{proxy}} {{1}} {{2}} {\nlb_policy first\nfail_duration 1h\nmax_fails 2\n}\nlog_append proxy \"" + placeholdersAfter + `"` + handleErrors, only: true, asks: untilDown},
	{name: "fails for a moment", site: "{{proxy}} {{1}} {\nfail_duration 1ns\n}"},
	{name: "bad statuses", site: "{{proxy}} {{1}} {{2}} {\nlb_policy first\nfail_duration 1h\nmax_fails 2\nunhealthy_status 5xx 429\n}\nlog_append proxy \"" + placeholdersAfter + `"`, only: true, asks: untilDown},
	{name: "slow is bad", site: "{{proxy}} {{1}} {{2}} {\nlb_policy first\nfail_duration 1h\nunhealthy_latency 1ns\n}", only: true, asks: times(4, in(get, fine))},
	{name: "few at a time", site: "{{proxy}} {{1}} {\nunhealthy_request_count 1\n}", only: true},
	{name: "idle", site: "{{proxy}} {{1}}", only: true},
	{name: "fuzz", site: "{{proxy}} {{1}}", only: true},
	{name: "different", site: "{{proxy}} {{1}}\n# {{2}} {{dead}}", differs: "route {" + different + "}", only: true},
	{name: "health", site: "{{proxy}} {{1}} {{2}} {\nlb_policy first\nfail_duration 1h\nunhealthy_status 5xx\n}", only: true},
	{name: "active health", site: "{{proxy}} {{1}} {{2}} {\nlb_policy first\nhealth_uri /health\nhealth_interval 20ms\n}", only: true},
	{name: "handle_errors", site: "{{proxy}} {{1}}" + handleErrors},
	{name: "handle_errors forwards", site: "{{proxy}} {{1}} {\n@bad status 500\nhandle_response @bad {\nerror 418\n}\n}\nhandle_errors {\n{{proxy}} {{2}}\n}", noBody: true},

	// placeholders after the fact
	{name: "placeholders in a header", site: "header {\nX-After \"" + placeholders + "\"\ndefer\n}\n{{proxy}} {{1}}"},
	{name: "placeholders in a log", site: "log_append proxy \"" + placeholdersAfter + "\"\n{{proxy}} {{1}}"},
	{name: "placeholders up and down", site: proxy("header_up X-Up \"" + placeholders + "\"\nheader_down X-Down \"" + placeholders + "\"")},
	{name: "two in a row", site: "route {\n{{proxy}} {{1}} {\nhandle_response {\n}\n}\n{{proxy}} {{2}} {\nheader_up X-Before \"" + placeholders + "\"\n}\n}", noBody: true},

	// the way of the answer
	{name: "flush at once", site: proxy("flush_interval -1")},
	{name: "flush now and then", site: proxy("flush_interval 5ms")},
	{name: "request buffers", site: proxy("request_buffers 4KiB")},
	{name: "response buffers", site: proxy("response_buffers 4KiB")},
	{name: "all buffered", site: proxy("request_buffers 1MiB\nresponse_buffers 1MiB"), asks: []exchange{in(post, silenceAfterHead)}},
	{name: "handle_response", site: proxy("@bad status 5xx\nhandle_response @bad {\nheader X-Was {rp.status_code}\nrespond \"bad {rp.status_text} {rp.header.X-A}\" 418\n}")},
	{name: "behind forward_auth", site: "forward_auth {{1}} {\nuri /auth\ncopy_headers X-A\n}\n{{proxy}} {{2}} {\nheader_up X-Seen \"{rp.status_code} {rp.header.X-A}\"\nheader_down X-From {http.reverse_proxy.upstream.hostport}\n}", only: true, asks: []exchange{in(get, authorized, fine), in(post, authorized, fine), in(get, failing)}},
	{name: "copy_response", site: proxy("handle_response {\ncopy_response_headers {\nexclude Set-Cookie\n}\nheader X-Copied yes\ncopy_response\n}")},
	{name: "replace_status", site: proxy("@bad status 5xx\nreplace_status @bad 203")},
	{name: "intercept", site: "intercept {\n@bad status 5xx\nhandle_response @bad {\nrespond \"intercepted {resp.status_code}\" 404\n}\n}\n{{proxy}} {{1}}"},
	{name: "encode", site: "encode {\ngzip\nminimum_length 1\nmatch {\nheader Content-Type *\n}\n}\n{{proxy}} {{1}}"},

	// the transport
	{name: "no compression", site: transport("compression off")},
	{name: "no keepalive", site: transport("keepalive off")},
	{name: "short keepalive", site: transport("keepalive 1s\nkeepalive_idle_conns 2\nkeepalive_interval 1s")},
	{name: "version 1.1", site: transport("versions 1.1\nread_buffer 8KiB\nwrite_buffer 1KiB")},
	{name: "short headers", site: transport("max_response_header 1KiB"), asks: shortHeaders(1 << 10)},
	{name: "short headers of 5 KB", site: transport("max_response_header 5KiB"), asks: shortHeaders(5 << 10)},
	{name: "dial timeout", site: transport("dial_timeout 20s\ndial_fallback_delay -1s")},
	{name: "response_header_timeout", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\ntransport http {\nresponse_header_timeout 1s\n}\n}" + handleErrors, only: true, asks: slow},
	{name: "response_header_timeout, retries", site: "{{proxy}} {{1}} {{2}} {\nlb_policy round_robin\nlb_retries 1\ntransport http {\nresponse_header_timeout 1s\n}\n}", only: true, asks: slow},
	{name: "read_timeout", site: "{{proxy}} {{1}} {\ntransport http {\nread_timeout 1s\n}\n}", only: true, asks: slowly(slow)},
	{name: "write_timeout", site: transport("write_timeout 10s\nread_timeout 10s")},
	{name: "one connection", site: transport("max_conns_per_host 1")},
	{name: "local address", site: transport("local_address 127.0.0.1")},
	{name: "PROXY protocol", site: transport("proxy_protocol v1")},
	{name: "no HTTP proxy", site: transport("network_proxy none")},

	// what comes before
	{name: "changed before", site: "request_header X-A changed\nrequest_header -User-Agent\nrequest_header +X-Forwarded-For 9.9.9.9\nuri strip_prefix /a\nuri replace b c\n{{proxy}} {{1}}"},
	{name: "rewritten before", site: "rewrite * /r{path}?{query}\nmethod PATCH\n{{proxy}} {{1}}"},
	{name: "handle_path", site: "handle_path /a/* {\n{{proxy}} {{1}}\n}\nhandle {\n{{proxy}} {{2}}\n}"},
	{name: "header before", site: "header Server mine\nheader X-A own\nheader +Set-Cookie own=1\nheader Via own\nheader Content-Type own/type\n{{proxy}} {{1}}"},
	{name: "header deleted later", site: "header -X-A\nheader -Server\nheader >X-Late late\n{{proxy}} {{1}}"},
	{name: "small requests only", site: "request_body {\nmax_size 4\n}\n{{proxy}} {{1}}" + handleErrors},
}

// brokenOff is an exchange whose answer is not completed, of which there is a line in the log.
var brokenOff = []exchange{in(get, answer{name: "truncated", bytes: head + "Content-Type: a/b\r\nContent-Length: 9\r\n\r\nabc", end: finish})}

// retried are exchanges of which the first try fails.
var retried = []exchange{
	in(get, hangUp, fine), in(get, resets, fine), in(get, answer{name: "rubbish", bytes: "rubbish\r\n\r\n", end: finish}, fine),
	in(get, hangUp, hangUp, fine), in(get, hangUp), in(post, hangUp, fine), in(request{name: "HEAD", method: "HEAD"}, hangUp, answer{name: "head", bytes: head + "Content-Length: 2\r\n\r\n"}),
	in(get, failing, fine), in(get, failing), in(post, failing, fine), in(request{name: "DELETE", method: "DELETE"}, hangUp, fine),
	in(get, answer{name: "half a header", bytes: head + "X-A: b\r\nCont", end: finish}, fine),
	in(get, answer{name: "with X-A", bytes: withLength(head+"X-A: b\r\nX-Old: 1\r\n", "ok")}, answer{name: "100, then length", bytes: "HTTP/1.1 100 Continue\r\n\r\n" + ok}),
	in(get, answer{name: "103, then nothing", bytes: "HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n", end: finish}, fine),
	in(get, answer{name: "truncated", bytes: head + "Content-Type: a/b\r\nContent-Length: 9\r\n\r\nabc", end: finish}, fine),
	in(request{name: "GET", h2: true}, hangUp, fine), in(request{name: "GET with a body", framing: length, body: "abc"}, fine),
}

func (x exchange) hasBody() bool {
	return x.framing != none || strings.Contains(x.raw, "Content-Length: ") || strings.Contains(x.raw, "chunked")
}

// retriedInTime are those that succeed at last.
var retriedInTime = slices.DeleteFunc(slices.Clone(retried), func(x exchange) bool { return len(x.answers) == 1 })

// untilDown are exchanges that make the first backend count as down.
var untilDown = []exchange{
	in(get, fine), in(get, failing), in(post, fine), in(get, hangUp), in(get, fine), in(post, resets), in(get, failing), in(get, fine),
	in(get, answer{name: "429", bytes: withLength("HTTP/1.1 429 X\r\n", "")}), in(post, hangUp), in(get, failing), in(post, failing), in(get, hangUp), in(get, fine), in(get, fine),
}

// slow are backends that stop to answer.
var slow = []exchange{
	in(get, fine), in(get, silence, fine), in(post, silence, fine), in(get, halfHead, fine), in(request{name: "GET", h2: true}, silence, fine),
	in(get, fine), in(post, fine),
}

// slowly leaves out a time-out within a header, where http.Transport reads on after the time-out: it
// is left to chance whether it says that the header is malformed.
func slowly(all []exchange) []exchange {
	return slices.DeleteFunc(slices.Clone(all), func(x exchange) bool { return x.answers[0].name == halfHead.name })
}

// silenceAfterHead answers before the body has come.
var silenceAfterHead = answer{name: "early", bytes: withLength(head+"Connection: close\r\n", "ok"), end: finish}

// shortHeaders are answers with headers around a limit.
func shortHeaders(limit int) []exchange {
	var all []exchange
	for _, n := range []int{limit / 2, limit, limit + 200, 2 * limit, 10 * limit} {
		all = append(all,
			in(get, answer{name: "header", bytes: withLength(head+"X: "+strings.Repeat("x", n)+"\r\n", "ok"), end: finish}),
			in(get, answer{name: "many lines", bytes: withLength(head+strings.Repeat("X-A: b\r\n", n/8), "ok"), end: finish}))
	}
	return all
}
