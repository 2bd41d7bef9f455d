package wire_test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // http.Transport complains of what the backends do
	goleak.VerifyTestMain(m)
}

// backend is a server that follows a script.
type backend struct {
	network, address string

	mu       sync.Mutex
	conns    []net.Conn
	requests [][]byte // as they came over the wire
}

// script serves a connection, the nth from 1, and returns when it should be closed.
type script func(c *link, nth int)

// link is the backend's end of a connection.
type link struct {
	net.Conn
	backend *backend
	raw     *bytes.Buffer // what was read
	in      *bufio.Reader
}

// startBackend serves every connection of network, tcp or unix, with a script.
func startBackend(tb testing.TB, network string, serve script) *backend {
	tb.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(tb.TempDir(), "s")
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		tb.Fatal(err)
	}
	b := &backend{network: network, address: ln.Addr().String()}
	var running sync.WaitGroup
	running.Go(func() {
		for nth := 1; ; nth++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
			raw := new(bytes.Buffer)
			running.Go(func() {
				defer c.Close()
				serve(&link{Conn: c, backend: b, raw: raw, in: bufio.NewReader(io.TeeReader(c, raw))}, nth)
			})
		}
	})
	tb.Cleanup(func() {
		_ = ln.Close()
		b.hangUp()
		running.Wait()
	})
	return b
}

// hangUp closes all connections.
func (b *backend) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.conns {
		_ = c.Close()
	}
}

func (b *backend) connections() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.conns)
}

func (b *backend) seen() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, r := range b.requests {
		out = append(out, string(r))
	}
	return out
}

// request reads a request with its body, and reports whether there was one.
func (c *link) request() bool {
	r, err := http.ReadRequest(c.in)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return false
	}
	c.backend.mu.Lock()
	defer c.backend.mu.Unlock()
	c.backend.requests = append(c.backend.requests, bytes.Clone(c.raw.Bytes()))
	c.raw.Reset()
	return true
}

func (c *link) send(s string) {
	_, _ = io.WriteString(c, s)
}

// waitClosed waits until the other side has closed the connection.
func (c *link) waitClosed() {
	_, _ = io.Copy(io.Discard, c.in)
}

// always answers every request with the same bytes, and closes the connection after each if
// told to.
func always(response string, hangUp bool) script {
	return func(c *link, _ int) {
		for c.request() {
			c.send(response)
			if hangUp {
				return
			}
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// transport makes a round tripper of the client under test, the way a proxy uses it.
type transport struct{ *wire.Client }

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	head := wire.Head{Method: r.Method, Target: r.URL.RequestURI(), Host: cmp.Or(r.Host, r.URL.Host), Header: r.Header, Length: r.ContentLength}
	message, err := head.Append(nil)
	if err != nil {
		return nil, err
	}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		message = append(message, body...)
	}
	x := wire.Exchange{Client: t.Client, Request: r, Message: message, Replayable: head.Replayable()}
	res, err := x.Send()
	for err == nil && res.StatusCode >= 100 && res.StatusCode < 200 && res.StatusCode != http.StatusSwitchingProtocols {
		if trace := httptrace.ContextClientTrace(r.Context()); trace != nil {
			if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, err
			}
		}
		res, err = x.Next()
	}
	return res, err
}

const maxHeader = 1 << 20

// newTransport returns the client under test, for one backend.
func newTransport(tb testing.TB, b *backend, set func(*wire.Client)) transport {
	tb.Helper()
	c := &wire.Client{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, b.network, b.address)
		},
		MaxResponseHeader: maxHeader, MaxIdle: 128, IdleTimeout: time.Minute,
	}
	if set != nil {
		set(c)
	}
	tb.Cleanup(c.Close)
	return transport{c}
}

// newOracle returns a transport of the standard library for one backend.
func newOracle(tb testing.TB, b *backend) *http.Transport {
	tb.Helper()
	t := &http.Transport{
		DisableCompression:     true,
		MaxResponseHeaderBytes: maxHeader,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, b.network, b.address)
		},
	}
	tb.Cleanup(t.CloseIdleConnections)
	return t
}

// newRequest returns a request of the test's own context, with a body if it is not empty.
func newRequest(tb testing.TB, method, body string, header ...string) *http.Request {
	tb.Helper()
	var content io.Reader
	if body != "" {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(tb.Context(), method, "http://backend.example/a%20b?c=%2f", content)
	if err != nil {
		tb.Fatal(err)
	}
	r.Header.Set("User-Agent", "test")
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// outcome is all that a caller of RoundTrip sees.
type outcome struct {
	Failed        bool
	Informational []int
	Status        string
	Proto         string
	Length        int64
	Close         bool
	Header        http.Header
	Body          string
	BodyFailed    bool
	Trailer       http.Header
}

// roundTrip sends a request and reads the response to its end.
func roundTrip(t http.RoundTripper, r *http.Request) (outcome, error) {
	var o outcome
	var mu sync.Mutex
	ctx, cancel := context.WithTimeout(r.Context(), 20*time.Second)
	defer cancel()
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		Got1xxResponse: func(code int, _ textproto.MIMEHeader) error {
			mu.Lock()
			defer mu.Unlock()
			o.Informational = append(o.Informational, code)
			return nil
		},
	}))
	res, err := t.RoundTrip(r)
	if err != nil {
		return outcome{Failed: true}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	mu.Lock()
	defer mu.Unlock()
	o.Status, o.Proto, o.Length, o.Close = res.Status, res.Proto, res.ContentLength, res.Close
	o.Header, o.Body, o.BodyFailed, o.Trailer = res.Header, string(body), err != nil, res.Trailer
	return o, err
}
