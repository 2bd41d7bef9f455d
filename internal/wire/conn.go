package wire

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"time"
)

// Errors have the texts of http.Transport, because logs and error pages show them.

// tooLongError is for the head of a response with more bytes than are allowed.
type tooLongError int64

func (e tooLongError) Error() string {
	return fmt.Sprintf("net/http: server response headers exceeded %d bytes; aborted", int64(e))
}

// timeoutError is a net.Error, so that a proxy answers 504.
type timeoutError struct{}

func (timeoutError) Error() string   { return "net/http: timeout awaiting response headers" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Unwrap() error   { return context.DeadlineExceeded }

// conn is a connection to a backend. One goroutine at a time uses it; in addition, the
// context of the request may close it.
type conn struct {
	steady
	client *Client
	in     *bufio.Reader // reads through conn.Read
	probe  prober
	abort  func() // closes the connection
	since  time.Time

	// Of the request that is on it:
	unwatch  func() bool // ends abort's watch over the context, false if abort was called
	left     int64       // bytes that may be read
	headerBy time.Time   // when the head of the response must have arrived, zero for never
	reused   bool        // there was a request before
	wrote    bool        // a byte of the request was written
	answered bool        // a byte of a response was read
	broken   bool        // the request was not written in full
}

func newConn(c net.Conn, client *Client) *conn {
	out := &conn{steady: steady{Conn: c}, client: client, probe: newProber(c)}
	out.in = bufio.NewReader(out)
	out.abort = func() { _ = c.Close() }
	return out
}

// begin starts an exchange; call end after it. The end of ctx closes the connection.
func (c *conn) begin(ctx context.Context) {
	c.wrote, c.answered = false, false
	c.unwatch = context.AfterFunc(ctx, c.abort)
}

// end keeps the connection for the next request if it can be reused. A byte after the end of
// a response belongs to no request: then it cannot be reused.
func (c *conn) end(reuse bool) {
	if !c.unwatch() || !reuse || c.failed != nil || c.in.Buffered() > 0 {
		_ = c.Close()
		return
	}
	c.client.idle.put(c)
}

// quiet reports whether the backend has neither closed the idle connection nor sent
// anything, which would not belong to a request.
func (c *conn) quiet() bool {
	return c.probe.quiet()
}

// Read reads for c.in, within the limits of size and time.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 && c.failed == nil {
		c.failed = tooLongError(c.client.MaxResponseHeader)
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.steady.Read(p)
	c.left -= int64(n)
	return n, err
}

// isAnswered reports whether the backend has answered a request that is not written in full. After
// a failed write its bytes have arrived by now, or never will.
func (c *conn) isAnswered() bool {
	c.left = c.client.MaxResponseHeader
	if c.SetReadDeadline(time.Now().Add(patience/2)) != nil {
		return false
	}
	err := c.peekAnswer()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.failed = nil // it was only a look
	}
	return c.SetReadDeadline(time.Time{}) == nil && err == nil
}

// peekAnswer waits for the first bytes of a response that is not an informational one: after one
// of those, a backend may still want the rest of the request.
func (c *conn) peekAnswer() error {
	for {
		seen, _ := c.in.Peek(c.in.Buffered())
		if hasAnswer(seen) {
			return nil
		}
		if _, err := c.in.Peek(len(seen) + 1); errors.Is(err, bufio.ErrBufferFull) {
			return nil // it is too much to tell
		} else if err != nil {
			return err
		}
	}
}

// hasAnswer reports whether more than informational responses has come.
func hasAnswer(seen []byte) bool {
	seen = bytes.ReplaceAll(seen, []byte("\r\n"), []byte("\n"))
	for {
		if len(seen) < len("HTTP/1.1 1") || seen[len("HTTP/1.1 ")] != '1' || bytes.HasPrefix(seen[len("HTTP/1.1 "):], []byte("101")) {
			return len(seen) > 0
		}
		_, rest, whole := bytes.Cut(seen, []byte("\n\n"))
		if !whole {
			return false
		}
		seen = rest
	}
}

// firstResponse reads the head of the first response.
func (c *conn) firstResponse(req *http.Request) (*http.Response, error) {
	c.left = c.client.MaxResponseHeader
	if d := c.client.ResponseHeaderTimeout; d > 0 {
		c.headerBy = time.Now().Add(d)
		if err := c.SetReadDeadline(c.headerBy); err != nil {
			return nil, err
		}
	}
	if _, err := c.in.Peek(1); c.isLate() {
		return nil, timeoutError{}
	} else if err != nil {
		return nil, err
	}
	c.answered = true
	return c.nextResponse(req)
}

// nextResponse reads the head of a response. That of an informational one leaves as much room
// for the next one.
func (c *conn) nextResponse(req *http.Request) (*http.Response, error) {
	res, err := http.ReadResponse(c.in, req)
	switch {
	case c.isLate():
		return nil, timeoutError{}
	case err != nil:
		return nil, fmt.Errorf("net/http: HTTP/1.x transport connection broken: %w", c.reason(err))
	}
	if isInformational(res.StatusCode) {
		c.left = c.client.MaxResponseHeader
		return res, nil
	}
	return res, c.endHeader()
}

// endHeader lifts the limits of the head.
func (c *conn) endHeader() error {
	c.left = math.MaxInt64
	if c.headerBy.IsZero() {
		return nil
	}
	c.headerBy = time.Time{}
	return c.SetReadDeadline(time.Time{})
}

// isLate reports whether the head of the response has not come in time.
func (c *conn) isLate() bool {
	return errors.Is(c.failed, os.ErrDeadlineExceeded) && !c.headerBy.IsZero() && !time.Now().Before(c.headerBy)
}

// reason returns why a head could not be read: err may be about the line that was cut off.
func (c *conn) reason(err error) error {
	if tooLong, ok := errors.AsType[tooLongError](c.failed); ok {
		return tooLong
	}
	return err
}
