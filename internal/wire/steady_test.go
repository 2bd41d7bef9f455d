package wire_test

import (
	"context"
	"errors"
	"io"
	"net"
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
// whole response then.
func TestReadErrorStaysError(t *testing.T) {
	for name, response := range map[string]string{
		"length":   "HTTP/1.1 200 OK\r\nX-A: a: b\r\n c: d\r\nX-B: e: f\r\nContent-Length: 2\r\n\r\nok",
		"bare LF":  "HTTP/1.1 200 OK\nX-A: a: b\n c: d\nContent-Length: 2\n\nok",
		"trailers": "HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1: 2\r\n\r\n",
		"hints":    "HTTP/1.1 103 Early Hints\r\nLink: a: b\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
	} {
		for at := range len(response) {
			broken := errors.New("broken")
			ours := transport{&wire.Client{
				Dial:              func(context.Context) (net.Conn, error) { return &hiccup{canned(""), response, at, broken}, nil },
				MaxResponseHeader: maxHeader,
			}}
			if o, err := roundTrip(ours, newRequest(t, "GET", "")); err == nil || o.Body == "ok" {
				t.Errorf("%s, %d bytes: %+v, %v", name, at, o, err)
			}
			ours.Close()
		}
	}
}
