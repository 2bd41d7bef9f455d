package wire_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

const headOf10 = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"

// TestCancel ends the context of a request in every phase. The caller gets the cause, and the
// backend sees its connection closed.
func TestCancel(t *testing.T) {
	t.Parallel()
	cause := errors.New("enough")
	for name, response := range map[string]string{
		"before the header":     "",
		"in the header":         "HTTP/1.1 200 OK\r\nContent-",
		"after an early answer": "HTTP/1.1 103 Early Hints\r\n\r\n",
		"before the body":       headOf10,
		"in the body":           headOf10 + "01234",
	} {
		t.Run(name, func(t *testing.T) {
			got, closed := make(chan struct{}), make(chan struct{})
			b := startBackend(t, "tcp", func(c *link, nth int) {
				c.request()
				if nth > 1 {
					c.send(ok)
					return
				}
				c.send(response)
				close(got)
				c.waitClosed()
				close(closed)
			})
			transport := newTransport(t, b, nil)
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				<-got
				cancel(cause)
			}()
			res, err := transport.RoundTrip(newRequest(t, "POST", "event").WithContext(ctx))
			if err == nil {
				_, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			if err != cause {
				t.Errorf("error %v, want the cause", err)
			}
			<-closed
			if o, err := roundTrip(transport, newRequest(t, "POST", "event")); o.Body != "ok" {
				t.Errorf("next request: %v", err)
			}
		})
	}
	t.Run("before it starts", func(t *testing.T) {
		b := startBackend(t, "tcp", always(ok, false))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := newTransport(t, b, nil).RoundTrip(newRequest(t, "POST", "event").WithContext(ctx)); err != context.Canceled || b.connections() > 0 {
			t.Errorf("error %v, %d connections", err, b.connections())
		}
	})
	t.Run("while it dials", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		transport := newTransport(t, &backend{}, func(t *wire.Client) {
			t.Dial = func(ctx context.Context) (net.Conn, error) {
				cancel()
				<-ctx.Done()
				return nil, errors.New("dialing was canceled")
			}
		})
		if _, err := transport.RoundTrip(newRequest(t, "GET", "").WithContext(ctx)); err != context.Canceled {
			t.Errorf("error %v", err)
		}
	})
}

// TestTimeouts has a backend that is too slow in every phase.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	drip := func(head, drop string) script {
		return func(c *link, _ int) {
			c.request()
			c.send(head)
			for {
				if _, err := io.WriteString(c, drop); err != nil {
					return
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
	stopIn := func(head string) script {
		return func(c *link, _ int) {
			c.request()
			c.send(head)
			c.waitClosed()
		}
	}
	const short = 300 * time.Millisecond
	for _, tc := range []struct {
		name   string
		serve  script
		set    func(*wire.Client)
		status string // empty if there is no response at all
	}{
		{"silent", func(c *link, _ int) { c.waitClosed() }, func(t *wire.Client) { t.ResponseHeaderTimeout = short }, ""},
		{"dripping header", drip("HTTP/1.1 200 OK\r\nX: ", "x"), func(t *wire.Client) { t.ResponseHeaderTimeout = short }, ""},
		{
			"silent in a header line", stopIn("HTTP/1.1 200 OK\r\nX-A: a: b"),
			func(t *wire.Client) { t.ResponseHeaderTimeout = short }, "",
		},
		{
			"silent in the status line", stopIn("HTTP/1.1 2"),
			func(t *wire.Client) { t.ResponseHeaderTimeout = short }, "",
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := startBackend(t, "unix", tc.serve)
			o, err := roundTrip(newTransport(t, b, tc.set), newRequest(t, "POST", strings.Repeat("b", 60_000)))
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() || o.Status != tc.status {
				t.Errorf("%+v, %v", o, err)
			}
			if _, ok := err.(net.Error); !ok {
				t.Errorf("%T is no net.Error itself, so a proxy would not answer 504", err)
			}
		})
	}
	t.Run("not of the body", func(t *testing.T) {
		b := startBackend(t, "unix", func(c *link, _ int) {
			for c.request() {
				c.send(headOf10)
				time.Sleep(2 * short)
				c.send("0123456789")
			}
		})
		transport := newTransport(t, b, func(t *wire.Client) { t.ResponseHeaderTimeout = short })
		if o, err := roundTrip(transport, newRequest(t, "GET", "")); err != nil || o.Body != "0123456789" {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

// dialNarrow connects with a send buffer that no large request fits in.
func dialNarrow(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return c, c.(*net.UnixConn).SetWriteBuffer(4096)
}

// TestEarlyResponse has a backend that refuses a request before it has read the body.
func TestEarlyResponse(t *testing.T) {
	t.Parallel()
	const refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!"
	for name, wait := range map[string]bool{"and closes": false, "and waits": true} {
		t.Run(name, func(t *testing.T) {
			b := startBackend(t, "unix", func(c *link, _ int) {
				_, _ = c.in.ReadString('\n')
				c.send(refusal)
				if wait {
					<-t.Context().Done()
				}
			})
			transport := newTransport(t, b, func(t *wire.Client) {
				t.Dial = func(ctx context.Context) (net.Conn, error) { return dialNarrow(ctx, b.network, b.address) }
			})
			for i := range 3 {
				o, err := roundTrip(transport, newRequest(t, "POST", strings.Repeat("b", 60_000)))
				if err != nil || o.Status != "413 Content Too Large" || o.Body != "no!" {
					t.Errorf("%+v, %v", o, err)
				}
				if n := b.connections(); n != i+1 {
					t.Errorf("request %d is on connection %d", i, n)
				}
			}
		})
	}
}

// TestEarlyInformational has a backend that sends an informational response before it reads the
// body, and takes its time. That is no answer: it may want the rest of the request.
func TestEarlyInformational(t *testing.T) {
	t.Parallel()
	const hints = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n"
	pause := func() { time.Sleep(600 * time.Millisecond) } // longer than writing waits before it looks
	for name, tc := range map[string]struct {
		serve func(t *testing.T, c *link)
		want  string
	}{
		"and reads on": {func(_ *testing.T, c *link) {
			c.send(hints)
			pause()
			if c.request() {
				c.send(ok)
			}
		}, "ok"},
		"and another, and reads on": {func(_ *testing.T, c *link) {
			c.send(hints + "HTTP/1.1 102 Proc")
			pause()
			c.send("essing\r\n\r\n")
			pause()
			if c.request() {
				c.send(ok)
			}
		}, "ok"},
		"and refuses": {func(t *testing.T, c *link) {
			c.send(hints + "HTTP/1.1 102 Processing\n\n")
			pause()
			c.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nno!")
			<-t.Context().Done()
		}, "no!"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := startBackend(t, "unix", func(c *link, _ int) { tc.serve(t, c) })
			transport := newTransport(t, b, func(t *wire.Client) {
				t.Dial = func(ctx context.Context) (net.Conn, error) { return dialNarrow(ctx, b.network, b.address) }
			})
			if o, err := roundTrip(transport, newRequest(t, "POST", strings.Repeat("b", 60_000))); o.Body != tc.want || len(o.Informational) == 0 {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

// TestHalfClosed has a backend that ends its side of the connection and reads no more.
func TestHalfClosed(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "unix", func(c *link, _ int) {
		_, _ = c.in.ReadString('\n')
		_ = c.Conn.(*net.UnixConn).CloseWrite()
		<-t.Context().Done()
	})
	transport := newTransport(t, b, func(t *wire.Client) {
		t.Dial = func(ctx context.Context) (net.Conn, error) { return dialNarrow(ctx, b.network, b.address) }
	})
	if _, err := roundTrip(transport, newRequest(t, "POST", strings.Repeat("b", 60_000))); err != io.EOF {
		t.Errorf("error %v, want EOF", err)
	}
}

// TestUnsolicited has a backend that sends more than it was asked for.
func TestUnsolicited(t *testing.T) {
	const wrong = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"
	for name, later := range map[string]bool{"at once": false, "later": true} {
		t.Run(name, func(t *testing.T) {
			sent, release := make(chan struct{}), make(chan struct{}, 2)
			b := startBackend(t, "unix", func(c *link, nth int) {
				for c.request() {
					if nth > 1 {
						c.send(ok)
						continue
					}
					if later {
						c.send(ok)
						<-release
						c.send(wrong)
					} else {
						c.send(ok + wrong)
					}
					close(sent)
				}
			})
			transport := newTransport(t, b, nil)
			for range 2 {
				if o, err := roundTrip(transport, newRequest(t, "GET", "")); o.Body != "ok" {
					t.Errorf("%+v, %v", o, err)
				}
				release <- struct{}{}
				<-sent // which is in the buffer of a Unix socket then
			}
			if n := b.connections(); n != 2 {
				t.Errorf("%d connections", n)
			}
		})
	}
	t.Run("after a failure in the body", func(t *testing.T) {
		gaveUp := make(chan struct{})
		b := startBackend(t, "unix", func(c *link, nth int) {
			for c.request() {
				if nth > 1 {
					c.send(ok)
					continue
				}
				c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
				c.send("nonsense\r\n")
				<-gaveUp
			}
		})
		transport := newTransport(t, b, nil)
		if o, err := roundTrip(transport, newRequest(t, "GET", "")); !o.BodyFailed {
			t.Errorf("%+v, %v", o, err)
		}
		close(gaveUp)
		if o, err := roundTrip(transport, newRequest(t, "POST", "event")); o.Body != "ok" || b.connections() != 2 {
			t.Errorf("%+v, %v, on connection %d", o, err, b.connections())
		}
	})
}

// TestReady has the beginning of a body come together with the head.
func TestReady(t *testing.T) {
	t.Parallel()
	const inChunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	for _, tc := range []struct {
		first, rest string
		ready       bool
	}{
		{headOf10, "0123456789", false},
		{headOf10 + "0", "123456789", true},
		{"HTTP/1.1 200 OK\r\n\r\n", "0123456789", false},
		{"HTTP/1.1 200 OK\r\n\r\n0", "123456789", true},
		{inChunks, "a\r\n0123456789\r\n0\r\n\r\n", false},
		{inChunks + "a", "\r\n0123456789\r\n0\r\n\r\n", false},
		{inChunks + "a\r\n", "0123456789\r\n0\r\n\r\n", false},
		{inChunks + "a;x=y\r\n", "0123456789\r\n0\r\n\r\n", false},
		{inChunks + "a\r\n0", "123456789\r\n0\r\n\r\n", true},
		{inChunks + "0\r\n", "\r\n", false},
		{inChunks + "0\r\nX: y\r\n", "\r\n", false},
		{inChunks + "0\r\n\r\n", "", true},
	} {
		release := make(chan struct{})
		b := startBackend(t, "unix", func(c *link, _ int) {
			c.request()
			c.send(tc.first)
			<-release
			c.send(tc.rest)
		})
		res, err := newTransport(t, b, nil).RoundTrip(newRequest(t, "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Body.(interface{ Ready() bool }).Ready(); got != tc.ready {
			t.Errorf("%q: ready %t", tc.first, got)
		}
		close(release)
		if body, err := io.ReadAll(res.Body); err != nil || (string(body) == "0123456789") != strings.Contains(tc.first+tc.rest, "0123456789") {
			t.Errorf("%q: body %q, %v", tc.first, body, err)
		}
		_ = res.Body.Close()
	}
}

// TestBodyClose closes a body before its end, before and while it is read, and after it.
func TestBodyClose(t *testing.T) {
	closed := make(chan struct{})
	b := startBackend(t, "tcp", func(c *link, _ int) {
		c.request()
		c.send(headOf10 + "0")
		c.waitClosed()
		closed <- struct{}{}
	})
	transport := newTransport(t, b, nil)
	get := func() *http.Response {
		res, err := transport.RoundTrip(newRequest(t, "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	res := get()
	for range 2 {
		if err := res.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	<-closed
	if _, err := res.Body.Read(make([]byte, 1)); err != http.ErrBodyReadAfterClose {
		t.Errorf("reading after Close: %v", err)
	}

	res = get()
	if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(20*time.Millisecond, func() { _ = res.Body.Close() })
	if _, err := io.ReadAll(res.Body); err != http.ErrBodyReadAfterClose {
		t.Errorf("reading while it is closed: %v", err)
	}
	<-closed

	b2 := startBackend(t, "tcp", always(ok, false))
	res, err := newTransport(t, b2, nil).RoundTrip(newRequest(t, "GET", ""))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.ReadAll(res.Body)
	_ = res.Body.Close()
	if _, err := res.Body.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("reading after the end: %v", err)
	}
}

// TestIdle checks which connections are kept, and for how long.
func TestIdle(t *testing.T) {
	t.Parallel()
	open := func(t *testing.T, n int, set func(*wire.Client)) (transport, *backend, chan int) {
		var all sync.WaitGroup
		all.Add(n)
		closed := make(chan int, n)
		b := startBackend(t, "tcp", func(c *link, nth int) {
			for first := true; c.request(); first = false {
				if first && nth <= n {
					all.Done()
					all.Wait() // so that every request is on its own connection
				}
				c.send(ok)
			}
			closed <- nth
		})
		transport := newTransport(t, b, set)
		var requests sync.WaitGroup
		for range n {
			requests.Go(func() {
				if o, err := roundTrip(transport, newRequest(t, "GET", "")); o.Body != "ok" {
					t.Errorf("%+v, %v", o, err)
				}
			})
		}
		requests.Wait()
		return transport, b, closed
	}
	t.Run("as many as allowed", func(t *testing.T) {
		_, _, closed := open(t, 5, func(t *wire.Client) { t.MaxIdle = 2 })
		for range 3 {
			<-closed
		}
		select {
		case <-closed:
			t.Error("one too many is closed")
		default:
		}
	})
	t.Run("as long as allowed", func(t *testing.T) {
		_, _, closed := open(t, 3, func(t *wire.Client) { t.IdleTimeout = 50 * time.Millisecond })
		for range 3 {
			<-closed
		}
	})
	t.Run("not after Close", func(t *testing.T) {
		transport, b, closed := open(t, 1, nil)
		res, err := transport.RoundTrip(newRequest(t, "GET", ""))
		if err != nil {
			t.Fatal(err)
		}
		transport.Close()
		if body, err := io.ReadAll(res.Body); string(body) != "ok" {
			t.Errorf("the request under way: %q, %v", body, err)
		}
		<-closed
		if o, err := roundTrip(transport, newRequest(t, "GET", "")); o.Body != "ok" || b.connections() != 2 {
			t.Errorf("%+v, %v", o, err)
		}
	})
}

// TestConcurrent has many requests at once, some of which are canceled. None may see the
// response to another.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	b := startBackend(t, "tcp", func(c *link, _ int) {
		for {
			r, err := http.ReadRequest(c.in)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			c.raw.Reset()
			if r.Method == http.MethodPost && len(body)%3 == 0 {
				c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(body), body))
				continue
			}
			c.send(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body))
		}
	})
	transport := newTransport(t, b, func(t *wire.Client) { t.MaxIdle = 8 })
	var all sync.WaitGroup
	for worker := range 32 {
		all.Go(func() {
			for i := range 100 {
				id := strings.Repeat(fmt.Sprintf("%d-%d ", worker, i), 1+i)
				ctx, cancel := context.WithCancel(t.Context())
				if i%7 == 0 {
					time.AfterFunc(time.Duration(rand.IntN(1000))*time.Microsecond, cancel)
				}
				o, err := roundTrip(transport, newRequest(t, "POST", id).WithContext(ctx))
				if err == nil && o.Body != id || err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("%+v, %v", o, err)
				}
				cancel()
			}
		})
	}
	all.Wait()
}

// TestTunnel: after 101 both sides send what they like, and each can end its direction.
func TestTunnel(t *testing.T) {
	b := startBackend(t, "tcp", func(c *link, _ int) {
		c.request()
		c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		all, _ := io.ReadAll(c.in)
		c.send(strings.ToUpper(string(all)))
	})
	res, err := newTransport(t, b, nil).RoundTrip(newRequest(t, "GET", ""))
	if err != nil {
		t.Fatal(err)
	}
	tunnel := res.Body.(interface {
		io.ReadWriteCloser
		CloseWrite() error
	})
	defer tunnel.Close()
	_, _ = io.WriteString(tunnel, "hello")
	if err := tunnel.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(tunnel); string(got) != "HELLO" {
		t.Errorf("%q, %v", got, err)
	}
}
