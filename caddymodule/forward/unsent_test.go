package forward_test

import (
	"io"
	"net"
	"strings"
	"testing"
)

// TestUnsent has requests that cannot be sent. The kind: what a client does is not counted as a
// failure of the backend, or it could make every backend count as down.
func TestUnsent(t *testing.T) {
	e := start(t).lane(t, "cannot be sent").ends[ours]
	e.begin([]answer{fine}, nil)
	const beginning = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"
	for name, do := range map[string]func(c *client){
		"closed in the body": func(c *client) { c.send(beginning) },
		"half closed in the body": func(c *client) {
			c.send(beginning)
			_ = c.Conn.(*net.TCPConn).CloseWrite()
			_, _ = io.ReadAll(c)
		},
		"reset in the body": func(c *client) {
			c.send(beginning)
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
		},
		"too large": func(c *client) {
			c.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 20\r\n\r\n" + strings.Repeat("a", 20))
			if got, _ := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 413 ") {
				t.Errorf("got %.60q, want 413", got)
			}
		},
		"header_up makes a value that is not valid": func(c *client) {
			c.send("GET /?q=%0a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if got, _ := io.ReadAll(c); !strings.HasPrefix(string(got), "HTTP/1.1 502 ") {
				t.Errorf("got %.60q, want 502", got)
			}
		},
	} {
		c, err := dial(e)
		if err != nil {
			t.Fatal(err)
		}
		do(c)
		_ = c.Close()
		collected.take(c.port, 1) // once it is logged, it is over
		if got := e.try(t, get); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("%s: the next request gets %.60q", name, got)
		}
	}
	for _, q := range e.calm() {
		if !strings.HasPrefix(q.bytes, "GET / ") {
			t.Errorf("the backend got %.100q", q.bytes)
		}
	}
}

// TestNotSentTwice: a backend that never saw the Idempotency-Key of a request gets it once.
func TestNotSentTwice(t *testing.T) {
	e := start(t).lane(t, "idle").ends[ours]
	keyed := request{method: "POST", framing: length, body: "abc", header: []string{"Idempotency-Key: 1"}}
	hidden := keyed
	hidden.header = append([]string{"Connection: Idempotency-Key"}, keyed.header...)
	for want, q := range map[int]request{3: keyed, 2: hidden} {
		e.begin([]answer{fine, hangUp, fine}, nil)
		e.try(t, get) // leaves an idle connection
		got := e.try(t, q)
		if requests := len(e.calm()); requests != want || strings.HasPrefix(got, "HTTP/1.1 200 ") != (want == 3) {
			t.Errorf("%q: the backend got %d requests, want %d; the client got %.60q", q.header, requests, want, got)
		}
	}
}
