package wire_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestLikeHTTPTransport sends requests to a backend that answers with canned bytes, by both
// transports. What the callers and the backend see has to be the same. Where the backend keeps
// the connection, there is a second request, which may be on the same one.
func TestLikeHTTPTransport(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 200_000)
	responses := map[string]string{
		"length":                  ok,
		"empty":                   "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
		"long":                    fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(long), long),
		"no content":              "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n",
		"not modified":            "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
		"chunked":                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n",
		"trailers":                "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 9\r\nX-More: 1\r\n\r\n",
		"chunked and length":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"same length twice":       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
		"folded":                  "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
		"bare LF":                 "HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
		"reason missing":          "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
		"continue":                "HTTP/1.1 100 Continue\r\n\r\n" + ok,
		"early hints":             "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + ok,
		"close":                   "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0 keep alive":     "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",
		"close and a rest":        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok" + ok,
		"header of 300 KB":        "HTTP/1.1 200 OK\r\nX: " + long + "\r\nContent-Length: 0\r\n\r\n",
		"many informational ones": strings.Repeat("HTTP/1.1 102 Processing\r\nX: "+long[:50_000]+"\r\n\r\n", 40) + ok,
	}
	closing := map[string]string{
		"two lengths":          "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok!",
		"negative length":      "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"signed length":        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
		"unknown coding":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nabc",
		"two codings":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"space before colon":   "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
		"no colon":             "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
		"NUL in value":         "HTTP/1.1 200 OK\r\nX: a\x00b\r\nContent-Length: 0\r\n\r\n",
		"not HTTP":             "SSH-2.0-OpenSSH_9.6\r\n\r\n",
		"HTTP/2":               "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
		"status of two digits": "HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
		"header too long":      "HTTP/1.1 200 OK\r\nX: " + strings.Repeat(long, 6) + "\r\nContent-Length: 0\r\n\r\n",
		"until close":          "HTTP/1.1 200 OK\r\n\r\nabc",
		"HTTP/1.0":             "HTTP/1.0 200 OK\r\n\r\nabc",
		"length and close":     ok,
		"truncated":            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
		"truncated chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc",
		"last chunk missing":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"bad chunk size":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nabc\r\n0\r\n\r\n",
		"negative chunk size":  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
		"huge chunk size":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc",
		"bad chunk end":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
		"truncated header":     "HTTP/1.1 200 OK\r\nContent-Le",
		"nothing":              "",
	}
	for name, response := range responses {
		t.Run(name, func(t *testing.T) { compare(t, always(response, false), 2) })
	}
	for name, response := range closing {
		t.Run(name, func(t *testing.T) { compare(t, always(response, true), 1) })
	}
}

// compare sends requests of several kinds to backends with the same script.
func compare(t *testing.T, serve script, times int) {
	requests := map[string]func() *http.Request{
		"GET":        func() *http.Request { return newRequest(t, "GET", "", "X-A", "1", "X-A", " 2\t", "Accept", "*/*") },
		"HEAD":       func() *http.Request { return newRequest(t, "HEAD", "") },
		"POST":       func() *http.Request { return newRequest(t, "POST", `{"a":1}`, "Content-Type", "application/json") },
		"empty POST": func() *http.Request { return newRequest(t, "POST", "") },
		"DELETE":     func() *http.Request { return newRequest(t, "DELETE", "") },
		"PATCH":      func() *http.Request { return newRequest(t, "PATCH", strings.Repeat("b", 60_000)) },
	}
	for name, make := range requests {
		t.Run(name, func(t *testing.T) {
			got := startBackend(t, "tcp", serve)
			want := startBackend(t, "tcp", serve)
			transport, oracle := newTransport(t, got, nil), newOracle(t, want)
			times := times
			if name == "HEAD" { // the body that it gets is garbage, which http.Transport may take for an answer
				times = 1
			}
			for i := range times {
				gotOutcome, gotErr := roundTrip(transport, make())
				wantOutcome, wantErr := roundTrip(oracle, make())
				if diff := cmp.Diff(wantOutcome, gotOutcome); diff != "" {
					t.Errorf("request %d: http.Transport -, wire + (errors: %v, %v)\n%s", i, wantErr, gotErr, clip(diff))
				}
			}
			if diff := cmp.Diff(want.seen(), got.seen()); diff != "" {
				t.Errorf("requests that the backend got: http.Transport -, wire +\n%s", clip(diff))
			}
			if g, w := got.connections(), want.connections(); g > w { // http.Transport closes some that were slow
				t.Errorf("%d connections, http.Transport has %d", g, w)
			}
		})
	}
}

func clip(s string) string {
	return s[:min(len(s), 2000)]
}
