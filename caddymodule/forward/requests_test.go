package forward_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
)

// TestRequests sends requests of all kinds, put together by chance with a fixed seed, to
// backends that answer in usual ways.
func TestRequests(t *testing.T) {
	var all []exchange
	random := rand.New(rand.NewPCG(13, 2))
	for range drill.Size(500, 2000) {
		all = append(all, exchange{request: generate(random), answers: []answer{pick(random, usualAnswers)}})
	}
	for i, raw := range oddRequests {
		all = append(all, exchange{request: request{name: fmt.Sprintf("odd request %d: %.60q", i, raw), raw: raw, method: method(raw)}, answers: usualAnswers[:1]})
	}
	for _, raw := range brokenBodies {
		all = append(all, exchange{request: request{name: fmt.Sprintf("broken body: %q", raw), raw: raw, method: "POST"}, answers: usualAnswers[:1], clientOnly: true})
	}
	start(t).compareAll(t, "plain", all)
}

// compareAll runs exchanges on the lanes of a setting.
func (r *rig) compareAll(t *testing.T, setting string, all []exchange) {
	t.Helper()
	var mu sync.Mutex
	rest := slices.Clone(all)
	next := func(l *lane) (x exchange, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		i := slices.IndexFunc(rest, l.takes)
		if i < 0 {
			return x, false
		}
		x = rest[i]
		rest = slices.Delete(rest, i, i+1)
		return x, true
	}
	var working sync.WaitGroup
	for _, l := range r.lanes[setting] {
		working.Go(func() {
			for x, ok := next(l); ok; x, ok = next(l) {
				l.compare(t, x)
			}
		})
	}
	working.Wait()
}

// takes reports whether an exchange can be run on a lane.
func (l *lane) takes(x exchange) bool { return !raceDetector || !l.logs || !x.hasBody() }

func method(raw string) string {
	m, _, _ := strings.Cut(raw, " ")
	return m
}

func pick[T any](random *rand.Rand, from []T) T { return from[random.IntN(len(from))] }

var methods = slices.Concat(slices.Repeat([]string{"GET", "POST"}, 4), slices.Repeat([]string{"HEAD"}, 2), strings.Fields("PUT PATCH DELETE OPTIONS TRACE PROPFIND get X-1"))

var targets = []string{
	"/", "/", "/a", "/a/b?c=d", "/?", "/a?", "/a??", "/?a=b&c", "/?a=%zz", "/a;b?c;d", "/%2f%2F", "/%41%7e~", "/a%20b?c=%20+",
	"//a//b", "/./a/../b", "/..", "/a%2e%2e/b", "/a+b", "/a#b?c#d", "/%c3%bc", "/ü", "/\xff", `/"<>[]{}|\^` + "`", "/a%00b", "/a:b@c",
	"/:80", "/*", "/?http://x/", "http://other.test/abs?x=y", "http://other.test:81", "http://user:pw@other.test/", "HTTP://OTHER.test/%41?",
	"https://other.test/", "/a%252f", "/'()!$&,;=", "/" + strings.Repeat("long/", 600), "/?" + strings.Repeat("q", 5000), "/%e2%98%83?%e2%98%83",
}

// fields are parts of headers, in groups that belong together.
var fields = [][]string{
	{"Accept: */*"},
	{"Accept: */*"},
	{"Accept: text/html", "Accept: */*;q=0.1"},
	{"Accept-Encoding: gzip"},
	{"Accept-Encoding: br, identity;q=0"},
	{"Accept-Encoding:"},
	{"Accept-Encoding: gzip", "Accept-Encoding: br"},
	{"User-Agent: curl/8"},
	{"User-Agent: curl/8"},
	{"User-Agent:"},
	{"User-Agent: a", "User-Agent: b"},
	{"Range: bytes=0-1"},
	{"If-None-Match: \"x\""},
	{"X-Empty:"},
	{"X-Empty: ", "X-Empty: "},
	{"X-Many: 1", "X-Other: -", "x-many: 2", "X-MANY: 3"},
	{"X-Space:    a  b\t "},
	{"X-Under_score: 1"},
	{"X.Dot: 1"},
	{"x-lower-case: v"},
	{"X-UPPER-CASE: V"},
	{"!#$%&'*+.^_`|~: odd"},
	{"X-Latin: \xe4\xf6"},
	{"X-Utf: ü☃"},
	{"X-Quoted: \"a, b\"; c=\"\\\"\""},
	{"1: 2"},
	{"X-Tab:\ta"},
	{"X-Long: " + strings.Repeat("v", 5000)},
	{"X-Star: *"},
	{"Cookie: a=b; c=d", "Cookie: e=f"},
	{"Authorization: Basic eDp5"},
	{"Content-Type: application/json"},
	{"Content-Type: text/plain", "Content-Type: a/b"},
	{"Content-Encoding: gzip"},
	{"Origin: http://x", "Access-Control-Request-Method: GET"},
	{"Date: Tue, 15 Nov 1994 08:12:31 GMT"},
	{"Early-Data: 1"},
	{"Connection: close"},
	{"Connection: keep-alive"},
	{"Connection: Keep-Alive", "Keep-Alive: timeout=5"},
	{"Connection: X-Drop, x-drop-too", "X-Drop: 1", "X-Drop-Too: 2", "X-Stay: 3"},
	{"Connection: close, X-Drop", "X-Drop: 1"},
	{"Connection: ", "X-Stay: 1"},
	{"Connection: X-Drop", "Connection: X-Many", "X-Drop: 1", "X-Many: 1"},
	{"Connection: X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Proto, Via", "X-Forwarded-For: 1.2.3.4", "Via: 1.0 x"},
	{"Connection: Host, Accept-Encoding", "User-Agent: x"},
	{"Connection: Content-Type", "Content-Type: a/b"},
	{"Connection: User-Agent"},
	{"Connection: Cookie", "Cookie: a=b"},
	{"Connection: upgrade"},
	{"Connection: Upgrade", "Upgrade: websocket"},
	{"Connection: Content-Length"},
	{"Connection: Connection"},
	{"Connection: ,,a b,"},
	{"Connection: Upgrade", "Upgrade: WebSocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-Websocket-Version: 13"},
	{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"},
	{"Upgrade: websocket"},
	{"Connection: keep-alive, Upgrade"},
	{"Keep-Alive: timeout=5"},
	{"Proxy-Connection: keep-alive"},
	{"Proxy-Authorization: Basic eDp5"},
	{"Proxy-Authenticate: Basic"},
	{"Alt-Svc: clear"},
	{"Te: trailers"},
	{"TE: gzip"},
	{"TE: deflate, trailers;q=0.5"},
	{"TE: trailers, gzip"},
	{"Te:"},
	{"Trailer: X-Sum"},
	{"Trailers: X"},
	{"Incremental: ?1"},
	{"Incremental: ?0"},
	{"Incremental: yes"},
	{"X-Forwarded-For: 1.2.3.4"},
	{"X-Forwarded-For: 1.2.3.4, 5.6.7.8", "X-Forwarded-For: 9.9.9.9"},
	{"X-Forwarded-For:"},
	{"X-Forwarded-Proto: https"},
	{"X-Forwarded-Proto: a", "X-Forwarded-Proto: b"},
	{"X-Forwarded-Host: evil.test"},
	{"X-Forwarded-Host:"},
	{"x-forwarded-host: a", "X-Forwarded-Host: b"},
	{"X-Forwarded-Port: 1"},
	{"X-Forwarded_For: 1.2.3.4"},
	{"X-Real-Ip: 1.2.3.4"},
	{"Forwarded: for=1.2.3.4;proto=https"},
	{"Via: 1.0 fred, 1.1 p.example.net"},
	{"Via: 1.1 Caddy", "via: 1.1 x"},
	{"Via:"},
	{"Max-Forwards: 0"},
	{"Expect: 100-continue"},
	{"Expect: nothing"},
	{"Priority: u=1"},
	{"Sec-Websocket-Protocol: chat"},
	{"Transfer-Encoding-X: chunked"},
	{"X-Content-Length: 3"},
	{"Idempotency-Key: \"8\""},
	{"X-Idempotency-Key: 9"},
	{"Server: x"},
	{"Proxy-Status: a"},
	{"Http2-Settings: x"},
	{"Host2: x"},
	{"Pragma: no-cache", "Cache-Control: no-store"},
	{"Referer: http://x/?a=b#c"},
	{"Http-Referer: x"},
	{"Warning: 199 - \"x\""},
}

var (
	bodies   = []string{"", "x", `{"a":1}`, strings.Repeat("0123456789abcdef", 300), "\x00\r\n\r\n0\r\n\r\n"}
	framings = []framing{none, length, length, length, chunked, chunks}
	long     = strings.Repeat("0123456789abcdef", 64<<10/16)
)

// generate puts a request together.
func generate(random *rand.Rand) request {
	q := request{method: pick(random, methods), target: pick(random, targets)}
	for range random.IntN(7) {
		q.header = append(q.header, pick(random, fields)...)
	}
	hasBody := q.method != "GET" && q.method != "HEAD" && q.method != "OPTIONS"
	if hasBody || random.IntN(8) == 0 {
		if q.framing = pick(random, framings); q.framing != none {
			q.body = pick(random, bodies)
			switch random.IntN(40) {
			case 0:
				q.body = long
			case 1:
				q.body = long + "!"
			case 2:
				q.body = long[1:]
			}
		}
	}
	if (q.framing == chunked || q.framing == chunks) && random.IntN(3) == 0 {
		q.header = append(q.header, "Trailer: X-Sum, X-Never")
		q.trailer = []string{"X-Sum: 1", "X-Unannounced: 2", "x-sum: 3"}
	}
	switch random.IntN(20) {
	case 0, 1:
		q.version = "HTTP/1.0"
	case 2, 3, 4:
		q.h2 = forHTTP2(&q)
	case 5:
		q.header = append(q.header, "Host: second.test")
	case 6:
		q.version, q.noHost = "HTTP/1.0", true
	}
	q.name = fmt.Sprintf("%s %.80s %s %q, %d bytes", q.method, q.target, q.version, q.header, len(q.body))
	return q
}

// forHTTP2 makes a request fit for HTTP/2, and reports whether it is one.
func forHTTP2(q *request) bool {
	if q.method == "TRACE" || !strings.HasPrefix(q.target, "/") || q.framing == none && len(q.trailer) > 0 {
		return false
	}
	for _, line := range q.header {
		name, value, _ := strings.Cut(strings.ToLower(line), ":")
		switch name {
		case "connection", "upgrade", "keep-alive", "proxy-connection", "transfer-encoding", "host":
			return false
		case "te":
			if strings.TrimSpace(value) != "trailers" {
				return false
			}
		}
	}
	return true
}

// oddRequests are requests that clients should not send.
var oddRequests = []string{
	"GET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost:\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: EXAMPLE.test:8080\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: \xfc\r\n\r\n",
	"GET http:foo HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http:/foo HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http:///foo HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET foo://bar/x?y HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET mailto:x@y HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET ?x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
	"OPTIONS * HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab",
	"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
	"CONNECT /x HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	"GET /\r\nX: 0123456789012345678901\r\n\r\n",
	"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"GET / HTTP/0.9\r\nHost: a\r\n\r\n",
	"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX-Ü: a\r\n\r\n",
	"GET /a%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /%2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.0\r\n\r\n",
	"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
	"POST / HTTP/1.0\r\nContent-Length: 2\r\n\r\nab",
	"POST / HTTP/1.0\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nab",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nab",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 02\r\n\r\nab",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 1\r\n\r\na",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n1;x=y\r\na\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: Content-Length\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
	"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
	"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X-A: b\r\n", 300) + "\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX-Long: " + strings.Repeat("v", 100_000) + "\r\n\r\n",
}

// brokenBodies are requests of which the backend may or may not get the beginning.
var brokenBodies = []string{
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n-1\r\n\r\n",
}
