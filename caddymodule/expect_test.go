package caddymodule_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// expecting is a request head of a client that waits for 100 (Continue).
func expecting(lines ...string) string {
	return "POST /t HTTP/1.1\r\nHost: gate\r\nExpect: 100-continue\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

// dialGate connects and writes.
func dialGate(t *testing.T, g *gatetest.Gate, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// TestRefusalDoesNotWaitForTheBody: a client that waits for 100 (Continue) has the
// refusal while it has sent no byte of the body, whatever wraps that (Caddy does, for
// its time-outs and for access logs), and whoever answers.
func TestRefusalDoesNotWaitForTheBody(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	for _, site := range []string{
		"log\ningest_auth {\n{{gate}}\n}\n",
		"log\ntracing\ningest_auth {\n{{gate}}\n}\n",
		"log\ntracing\ningest_auth {\nerrors caddy\n{{gate}}\n}\nhandle_errors {\nrespond \"page {err.status_code}\" {err.status_code}\n}\n",
	} {
		up := gatetest.NewUpstream(t, nil)
		site = strings.Replace(site, "{{gate}}", "credential header X-API-Key\ncredential body token\nmax_body 64KiB", 1)
		g := startSite(t, site+"reverse_proxy {{up}}", map[string]gatetest.Record{keyA: {}, keyB: {"expires_at": "2020-01-01T00:00:00Z"}}, gatetest.Vars{"up": up.Addr})
		for _, tc := range []struct {
			name, head string
			status     int
		}{
			{"unknown key", expecting("X-API-Key: nobody", "Content-Type: application/json", "Content-Length: 100"), 401},
			{"unknown key, chunked", expecting("X-API-Key: nobody", "Transfer-Encoding: chunked"), 401},
			{"expired key", expecting("X-API-Key: "+keyB, "Content-Length: 100"), 401},
			{"no key, and none can be in the body", expecting("Content-Type: image/png", "Content-Length: 100"), 401},
			{"too large", expecting("X-API-Key: "+keyA, "Content-Type: text/plain", "Content-Length: 1000000"), 413},
			{"unknown coding", expecting("X-API-Key: "+keyA, "Content-Type: application/json", "Content-Encoding: compress", "Content-Length: 100"), 415},
			{"unknown charset", expecting("X-API-Key: "+keyA, "Content-Type: application/json; charset=utf-16", "Content-Length: 100"), 415},
			{"two keys", expecting("X-API-Key: "+keyA, "X-API-Key: "+keyB, "Content-Length: 100"), 400},
		} {
			_, answers := dialGate(t, g, tc.head)
			resp, err := http.ReadResponse(answers, nil)
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
				continue
			}
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != tc.status || !resp.Close || len(text) == 0 {
				t.Errorf("%s: status %d, closes: %t: %s", tc.name, resp.StatusCode, resp.Close, text)
			}
		}
		if n := len(up.Take()); n > 0 {
			t.Errorf("backend saw %d requests", n)
		}
	}
}

// TestExpectIsMetOnce: who has read the body has told the client to go on, and does
// not ask the backend. Who has not passes the question on.
func TestExpectIsMetOnce(t *testing.T) {
	for _, gate := range []string{"", "enforce off", "enforce off\nstrip on", "bind body"} {
		g, up := start(t, "credential header X-API-Key\ncredential body token\n"+gate, map[string]gatetest.Record{keyA: {}})
		for _, tc := range []struct {
			contentType, body string
			expect            bool
		}{
			{"application/json", `{"a":1}`, false},
			{"text/plain", "hello", false}, // peeked into
			{"image/png", "\x89PNG", gate != "bind body"},
		} {
			conn, answers := dialGate(t, g, expecting("X-API-Key: "+keyA, "Content-Type: "+tc.contentType, fmt.Sprintf("Content-Length: %d", len(tc.body))))
			resp, err := http.ReadResponse(answers, nil)
			if err != nil || resp.StatusCode != http.StatusContinue {
				t.Fatalf("%q, %s: no 100 (Continue): %v %v", gate, tc.contentType, resp, err)
			}
			_, _ = io.WriteString(conn, tc.body)
			for resp.StatusCode == http.StatusContinue && err == nil {
				resp, err = http.ReadResponse(answers, nil)
			}
			if err != nil || resp.StatusCode != http.StatusOK || resp.Close {
				t.Errorf("%q, %s: %v %v", gate, tc.contentType, resp, err)
			}
			if seen := up.One(t); seen.Body != tc.body || (seen.Header.Get("Expect") != "") != tc.expect {
				t.Errorf("%q, %s: backend saw body %q, Expect %q", gate, tc.contentType, seen.Body, seen.Header.Get("Expect"))
			}
		}
	}
}

// TestRefusalOfABodyThatWasReadKeepsTheConnection: only who has a body to send still
// has the connection closed.
func TestRefusalOfABodyThatWasReadKeepsTheConnection(t *testing.T) {
	g, _ := start(t, "credential header X-API-Key\ncredential body token", map[string]gatetest.Record{keyA: {}})
	for _, b := range []typedBody{{"application/json", `{"token":"nobody"}`}, {"text/plain", "hello"}} { // read whole, and peeked into
		request := func(expect string) string {
			return fmt.Sprintf("POST /t HTTP/1.1\r\nHost: gate\r\nContent-Type: %s\r\n%s\r\nContent-Length: %d\r\n\r\n", b.Type, expect, len(b.Body))
		}
		for _, expect := range []string{"Expect: 100-continue", "X-Expect: nothing"} {
			conn, answers := dialGate(t, g, request(expect))
			for range 2 {
				_, _ = io.WriteString(conn, b.Body)
				resp, err := http.ReadResponse(answers, nil)
				if err == nil && resp.StatusCode == http.StatusContinue {
					resp, err = http.ReadResponse(answers, nil)
				}
				if err != nil || resp.StatusCode != http.StatusUnauthorized || resp.Close {
					t.Fatalf("%s, %s: %v %v", b.Type, expect, resp, err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_, _ = io.WriteString(conn, request("X-Expect: nothing"))
			}
		}
	}
}
