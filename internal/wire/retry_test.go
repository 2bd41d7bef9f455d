package wire_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
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
			for who, t2 := range map[string]http.RoundTripper{"wire": transport, "http.Transport": oracle} {
				r := newRequest(t, "GET", "")
				change(r)
				if o, err := roundTrip(t2, r); !o.Failed {
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
			for _, tr := range []http.RoundTripper{newTransport(t, b, nil), newOracle(t, b)} {
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
