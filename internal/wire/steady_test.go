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

// hiccup is a connection to a backend that has sent a response, of which a read fails once after
// some bytes. Whoever reads on gets the rest.
type hiccup struct {
	net.Conn // from canned, which takes the request
	response string
	at       int
	err      error
}

func (c *hiccup) Read(p []byte) (int, error) {
	if c.at == 0 && c.err != nil {
		err := c.err
		c.err = nil
		return 0, err
	}
	end := len(c.response)
	if c.err != nil {
		end = c.at
	}
	if end == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.response[:end])
	c.response, c.at = c.response[n:], c.at-n
	return n, nil
}

// TestReadErrorStaysError has a read fail at every byte of a response. The kind: an error of the
// connection in the middle of a read is taken for the end of what was read. Nobody may get a
// whole response then, and whoever asks why gets the connection's own error, not that of a
// parser which has seen half a line.
func TestReadErrorStaysError(t *testing.T) {
	for name, response := range map[string]string{
		"length":   "HTTP/1.1 200 OK\r\nX-A: a: b\r\n c: d\r\nX-B: e: f\r\nContent-Length: 2\r\n\r\nok",
		"bare LF":  "HTTP/1.1 200 OK\nX-A: a: b\n c: d\nContent-Length: 2\n\nok",
		"trailers": "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1: 2\r\n\r\n",
		"hints":    "HTTP/1.1 103 Early Hints\r\nLink: a: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	} {
		for at := range len(response) {
			broken := errors.New("broken")
			dial := func(context.Context, string, string) (net.Conn, error) {
				return &hiccup{canned(""), response, at, broken}, nil
			}
			ours := &wire.Transport{
				Other: refuse{}, Dial: dial,
				Address: func(*http.Request) (string, string) { return "tcp", "backend" },
			}
			usual := &http.Transport{DisableCompression: true, DialContext: func(ctx context.Context, n, a string) (net.Conn, error) {
				c, err := dial(ctx, n, a)
				return wire.Steady(c), err
			}}
			if o, err := roundTrip(ours, newRequest(t, "GET", "")); !errors.Is(err, broken) || o.Body == "ok" {
				t.Errorf("%s, %d bytes: %+v, %v", name, at, o, err)
			}
			if o, err := roundTrip(usual, newRequest(t, "GET", "")); err == nil {
				t.Errorf("%s, %d bytes, http.Transport on a steady connection: %+v", name, at, o)
			}
			ours.Close()
			usual.CloseIdleConnections()
		}
	}
}

// TestSteadyCloseWrite checks that a tunnel through http.Transport can still end one direction.
func TestSteadyCloseWrite(t *testing.T) {
	b := startBackend(t, "tcp", func(c *link, _ int) {
		c.request()
		c.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
		all, _ := io.ReadAll(c.in)
		c.send(strings.ToUpper(string(all)))
	})
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, b.network, b.address)
		return wire.Steady(c), err
	}}
	defer transport.CloseIdleConnections()
	res, err := transport.RoundTrip(newRequest(t, "GET", "", "Connection", "Upgrade", "Upgrade", "x"))
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
	if c, _ := net.Pipe(); wire.Steady(c).(interface{ CloseWrite() error }).CloseWrite() == nil {
		t.Error("a pipe has no half")
	}
}
