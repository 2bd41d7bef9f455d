package wire

import (
	"context"
	"net"
	"time"
)

// MaxBody is the length in bytes of the longest request body for which it is worth to have it in
// memory and to write it in one piece with the head.
const MaxBody = 64 << 10

// Client sends requests to one backend. It is safe for concurrent use and must be neither copied
// nor changed after its first use.
type Client struct {
	// Dial connects. Its errors are returned as they are, unless the request was canceled.
	Dial func(context.Context) (net.Conn, error)

	// ResponseHeaderTimeout is how long the head of the response may take once the request is
	// written. 0 means no limit.
	ResponseHeaderTimeout time.Duration

	// WriteTimeout says how long a write to a connection may take. The connections from Dial see to
	// that. 0 means no limit.
	WriteTimeout time.Duration

	// MaxResponseHeader is how many bytes the head of a response may have.
	MaxResponseHeader int64

	// MaxIdle is how many idle connections are kept.
	MaxIdle int

	// IdleTimeout is how long an idle connection is kept.
	IdleTimeout time.Duration

	idle pool
}

// Close closes the idle connections, and every other one as soon as its response is read.
// Requests can still be sent, each on its own connection.
func (c *Client) Close() { c.idle.close() }
