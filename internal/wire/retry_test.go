package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

// TestPostAfterIdleClose is the case that must not lose an event: the backend has closed the
// connection while it was idle.
func TestPostAfterIdleClose(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			closed := make(chan struct{}, 1)
			b := startBackend(t, network, func(c *link, _ int) {
				c.request()
				c.send(ok)
				_ = c.Close()
				closed <- struct{}{}
			})
			transport := newTransport(t, b, nil)
			for range 20 {
				if o, err := roundTrip(transport, newRequest(t, "POST", "event")); o.Body != "ok" {
					t.Fatalf("%+v, %v", o, err)
				}
				<-closed
			}
			if n := len(b.seen()); n != 20 {
				t.Errorf("backend got %d requests, want 20", n)
			}
		})
	}
}

// TestPostDuringIdleClose has the backend close the idle connection while the client still
// sends its body.
func TestPostDuringIdleClose(t *testing.T) {
	sending, closed := make(chan struct{}), make(chan struct{})
	b := startBackend(t, "tcp", func(c *link, nth int) { // to a closed Unix socket nothing can be written
		c.request()
		c.send(ok)
		if nth == 1 {
			<-sending
			_ = c.Close()
			close(closed)
		}
	})
	transport := newTransport(t, b, nil)
	if o, err := roundTrip(transport, newRequest(t, "GET", "")); o.Body != "ok" {
		t.Fatalf("%+v, %v", o, err)
	}
	r := newRequest(t, "POST", "event")
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader("ev"), readerFunc(func([]byte) (int, error) {
		close(sending)
		<-closed
		return 0, io.EOF
	}), strings.NewReader("ent")))
	if o, err := roundTrip(transport, r); o.Body != "ok" {
		t.Errorf("%+v, %v", o, err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestRetry has the backend close a connection when it has got a request, the first or the
// second on it, without an answer or in the middle of it.
func TestRetry(t *testing.T) {
	for _, tc := range []struct {
		name    string
		method  string
		header  []string
		onFresh bool
		partial string
		retried bool
	}{
		{name: "GET", method: "GET", retried: true},
		{name: "HEAD", method: "HEAD", retried: true},
		{name: "POST", method: "POST"},
		{name: "PUT", method: "PUT"},
		{name: "DELETE", method: "DELETE"},
		{name: "POST with a key", method: "POST", header: []string{"Idempotency-Key", "1"}, retried: true},
		{name: "GET on a new connection", method: "GET", onFresh: true},
		{name: "GET half answered", method: "GET", partial: "H"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, "tcp", func(c *link, nth int) {
				for i := 0; c.request(); i++ {
					if nth == 1 && (i == 1 || tc.onFresh) {
						c.send(tc.partial)
						return
					}
					c.send("HTTP/1.1 204 No Content\r\n\r\n")
				}
			})
			transport := newTransport(t, b, nil)
			want := 1
			if !tc.onFresh {
				if o, err := roundTrip(transport, newRequest(t, "GET", "")); o.Failed {
					t.Fatal(err)
				}
				want = 2
			}
			body := ""
			if tc.method == "POST" || tc.method == "PUT" {
				body = strings.Repeat("b", 10_000)
			}
			o, err := roundTrip(transport, newRequest(t, tc.method, body, tc.header...))
			if o.Failed == tc.retried {
				t.Errorf("error %v", err)
			}
			if tc.retried {
				want++
			}
			seen := b.seen()
			if len(seen) != want {
				t.Errorf("backend got %d requests, want %d", len(seen), want)
			}
			if last := seen[len(seen)-1]; !strings.HasSuffix(last, "\r\n\r\n"+body) {
				t.Errorf("last request is not whole: %d bytes", len(last))
			}
		})
	}
}

// TestDialErrorLeavesBody checks what a proxy needs to try another backend.
func TestDialErrorLeavesBody(t *testing.T) {
	refused := errors.New("refused")
	b := &backend{network: "tcp", address: "127.0.0.1:1"}
	transport := newTransport(t, b, func(t *wire.Transport) {
		t.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, refused }
	})
	body := &trackedBody{Reader: strings.NewReader("event")}
	r := newRequest(t, "POST", "event")
	r.Body = body
	if _, err := roundTrip(transport, r); err != refused {
		t.Errorf("error %v, want that of Dial itself", err)
	}
	if body.read || !body.closed {
		t.Errorf("body read: %t, closed: %t", body.read, body.closed)
	}
}

type trackedBody struct {
	io.Reader
	err          error // instead of EOF
	read, closed bool
}

func (b *trackedBody) Read(p []byte) (int, error) {
	b.read = true
	n, err := b.Reader.Read(p)
	if err == io.EOF && b.err != nil {
		err = b.err
	}
	return n, err
}

func (b *trackedBody) Close() error {
	b.closed = true
	return nil
}

// TestBodyOfAnotherLength checks that a body that is not what it was announced to be never
// gets to the backend, not to speak of its rest as another request.
func TestBodyOfAnotherLength(t *testing.T) {
	b := startBackend(t, "tcp", always(ok, false))
	transport := newTransport(t, b, nil)
	broken := errors.New("client is gone")
	for _, tc := range []struct {
		name   string
		length int64
		body   string
		err    error
	}{
		{"longer", 5, "eventGET / HTTP/1.1\r\nHost: x\r\n\r\n", nil},
		{"longer by one", 5, "event!", nil},
		{"shorter", 6, "event", nil},
		{"empty", 1, "", nil},
		{"broken", 6, "event", broken},
		{"broken at once", 6, "", broken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := len(b.seen())
			body := &trackedBody{Reader: strings.NewReader(tc.body), err: tc.err}
			r := newRequest(t, "POST", "")
			r.Body, r.ContentLength = body, tc.length
			if o, err := roundTrip(transport, r); !o.Failed || tc.err != nil && err != tc.err {
				t.Errorf("error %v", err)
			}
			if !body.closed {
				t.Error("body is not closed")
			}
			if o, err := roundTrip(transport, newRequest(t, "GET", "")); o.Body != "ok" {
				t.Errorf("next request: %v", err)
			}
			if seen := b.seen()[before:]; len(seen) != 1 || !strings.HasPrefix(seen[0], "GET /a%20b") {
				t.Errorf("backend got %q", seen)
			}
		})
	}
}

// TestHandedOver lists what is for the other transport.
func TestHandedOver(t *testing.T) {
	b := startBackend(t, "tcp", always(ok, false))
	transport := newTransport(t, b, nil)
	for name, change := range map[string]func(*http.Request){
		"https":              func(r *http.Request) { r.URL.Scheme = "https" },
		"CONNECT":            func(r *http.Request) { r.Method = "CONNECT" },
		"upgrade":            func(r *http.Request) { r.Header.Set("Upgrade", "websocket") },
		"connection":         func(r *http.Request) { r.Header.Set("Connection", "close") },
		"close":              func(r *http.Request) { r.Close = true },
		"expect":             func(r *http.Request) { r.Header.Set("Expect", "100-continue") },
		"incremental":        func(r *http.Request) { r.Header.Set("Incremental", "?1") },
		"unknown length":     func(r *http.Request) { r.ContentLength = -1 },
		"unset length":       func(r *http.Request) { r.ContentLength = 0 },
		"long":               func(r *http.Request) { r.ContentLength = wire.MaxBody + 1 },
		"chunked":            func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"trailers":           func(r *http.Request) { r.Trailer = http.Header{"X": nil} },
		"length but no body": func(r *http.Request) { r.Body = nil },
		"no URL":             func(r *http.Request) { r.URL = nil },
		"no host":            func(r *http.Request) { r.URL.Host = "" },
		"no header":          func(r *http.Request) { r.Header = nil },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRequest(t, "POST", "event")
			change(r)
			if _, err := transport.RoundTrip(r); err != errOther {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestInjection has line ends and the like wherever a proxy may pass them on.
func TestInjection(t *testing.T) {
	b := startBackend(t, "tcp", always(ok, false))
	transport, oracle := newTransport(t, b, nil), newOracle(t, b)
	for name, change := range map[string]func(*http.Request){
		"value":      func(r *http.Request) { r.Header["X-A"] = []string{"a\r\nX-B: b"} },
		"value LF":   func(r *http.Request) { r.Header["X-A"] = []string{"a\nX-B: b"} },
		"value NUL":  func(r *http.Request) { r.Header["X-A"] = []string{"a\x00"} },
		"user agent": func(r *http.Request) { r.Header["User-Agent"] = []string{"a\r\nX-B: b"} },
		"name":       func(r *http.Request) { r.Header["X-A: b\r\nX-B"] = []string{"a"} },
		"name colon": func(r *http.Request) { r.Header["X-A:"] = []string{"a"} },
		"empty name": func(r *http.Request) { r.Header[""] = []string{"a"} },
		"method":     func(r *http.Request) { r.Method = "GET / HTTP/1.1\r\nX-B: b\r\n\r\nGET" },
		"query":      func(r *http.Request) { r.URL.RawQuery = "a HTTP/1.1\r\nX-B: b" },
		"opaque":     func(r *http.Request) { r.URL.Opaque = "/a\r\nX-B: b" },
	} {
		t.Run(name, func(t *testing.T) {
			for who, t2 := range map[string]roundTripper{"wire": transport, "http.Transport": oracle} {
				r := newRequest(t, "GET", "")
				change(r)
				if o, err := roundTrip(t2, r); !o.Failed || err == errOther {
					t.Errorf("%s: %+v, %v", who, o, err)
				}
			}
		})
	}
	if seen := b.seen(); len(seen) > 0 {
		t.Errorf("backend got %q", seen)
	}
}

// TestSameHead compares what is written for requests that are unusual, and allowed.
func TestSameHead(t *testing.T) {
	for name, change := range map[string]func(*http.Request){
		"host":             func(r *http.Request) { r.Host = "other.example:81" },
		"invalid host":     func(r *http.Request) { r.Host = "/run/socket" },
		"zone":             func(r *http.Request) { r.Host = "[fe80::1%eth0]:80" },
		"no zone":          func(r *http.Request) { r.Host = "[fe80::1]:80" },
		"host in Unicode":  func(r *http.Request) { r.Host = "bücher.example" },
		"no method":        func(r *http.Request) { r.Method = "" },
		"asterisk":         func(r *http.Request) { r.Method, r.URL.Path, r.URL.RawQuery = "OPTIONS", "*", "" },
		"no path":          func(r *http.Request) { r.URL.Path, r.URL.RawPath = "", "" },
		"raw path":         func(r *http.Request) { r.URL.Path, r.URL.RawPath = "/a/b", "/a%2fb" },
		"empty query":      func(r *http.Request) { r.URL.RawQuery, r.URL.ForceQuery = "", true },
		"empty agent":      func(r *http.Request) { r.Header.Set("User-Agent", "") },
		"empty value":      func(r *http.Request) { r.Header.Set("X-A", "") },
		"no value":         func(r *http.Request) { r.Header["X-A"] = nil },
		"blanks":           func(r *http.Request) { r.Header.Set("X-A", " \t a\tb ") },
		"UTF-8":            func(r *http.Request) { r.Header.Set("X-A", "ü") },
		"odd case":         func(r *http.Request) { r.Header["sec-WebSocket-Key"] = []string{"a"} },
		"framing in a map": func(r *http.Request) { r.Header["Content-Length"] = []string{"7"}; r.Header["Host"] = []string{"x"} },
		"many fields": func(r *http.Request) {
			for i := range 100 {
				r.Header.Add("X-"+strings.Repeat("a", i%50), "b")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, "tcp", always(ok, false))
			for _, tr := range []roundTripper{newTransport(t, b, nil), newOracle(t, b)} {
				r := newRequest(t, "GET", "")
				change(r)
				if o, err := roundTrip(tr, r); o.Body != "ok" {
					t.Fatalf("%+v, %v", o, err)
				}
			}
			if seen := b.seen(); seen[0] != seen[1] {
				t.Errorf("wire wrote\n%q\nhttp.Transport\n%q", seen[0], seen[1])
			}
		})
	}
	t.Run("framing in lower case", func(t *testing.T) { // where http.Transport writes both
		b := startBackend(t, "tcp", always(ok, false))
		r := newRequest(t, "POST", "event")
		r.Header["content-length"], r.Header["transfer-encoding"] = []string{"2"}, []string{"chunked"}
		if o, err := roundTrip(newTransport(t, b, nil), r); o.Body != "ok" {
			t.Fatalf("%+v, %v", o, err)
		}
		if seen := strings.ToLower(b.seen()[0]); strings.Count(seen, "content-length:") != 1 || strings.Contains(seen, "transfer-encoding") {
			t.Errorf("wrote %q", seen)
		}
	})
}
