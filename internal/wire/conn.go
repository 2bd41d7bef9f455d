package wire

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"time"
)

var errHeaderTooLong = errors.New("transport ingest: the response header is too long (max_response_header)")

// timeoutError is a net.Error, so that a proxy answers 504.
type timeoutError struct{}

func (timeoutError) Error() string {
	return "transport ingest: timeout awaiting the response header (response_header_timeout)"
}
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Unwrap() error   { return context.DeadlineExceeded }

// conn is a connection to a backend. One goroutine at a time uses it; in addition, the
// context of the request may close it.
type conn struct {
	steady
	key   key
	in    *bufio.Reader // reads through conn.Read
	probe prober
	abort func() // closes the connection
	since time.Time

	// Of the request that is on it:
	transport *Transport
	unwatch   func() bool // ends abort's watch over the context, false if abort was called
	left      int64       // bytes that may be read
	headerBy  time.Time   // when the response header must have arrived, zero for never
	reused    bool        // there was a request before
	wrote     bool        // a byte of the request was written
	answered  bool        // a byte of a response was read
	broken    bool        // the request was not written in full
}

func newConn(c net.Conn, k key) *conn {
	out := &conn{steady: steady{Conn: c}, key: k, probe: newProber(c)}
	out.in = bufio.NewReader(out)
	out.abort = func() { _ = c.Close() }
	return out
}

// begin starts an exchange; call end after it. The end of ctx closes the connection.
func (c *conn) begin(ctx context.Context, t *Transport) {
	c.transport = t
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
	if c.transport.ReadTimeout > 0 && c.SetReadDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	c.transport.idle.put(c, c.transport)
}

// quiet reports whether the backend has neither closed the idle connection nor sent
// anything, which would not belong to a request.
func (c *conn) quiet() bool {
	return c.probe.quiet()
}

// Read reads for c.in, within the limits of size and time.
func (c *conn) Read(p []byte) (int, error) {
	if c.left <= 0 && c.failed == nil {
		c.failed = errHeaderTooLong
	}
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	by := c.headerBy
	if d := c.transport.ReadTimeout; d > 0 {
		if next := time.Now().Add(d); by.IsZero() || next.Before(by) {
			by = next
		}
	}
	if !by.IsZero() {
		if err := c.SetReadDeadline(by); err != nil {
			return 0, err
		}
	}
	n, err := c.steady.Read(p)
	c.left -= int64(n)
	return n, err
}

// hasInput reports whether the backend has answered a request that could not be written. Its
// bytes have arrived by now, or never will.
func (c *conn) hasInput() bool {
	c.left = c.transport.maxResponseHeader()
	c.headerBy = time.Now().Add(100 * time.Millisecond)
	_, err := c.in.Peek(1)
	return err == nil
}

// readResponse reads the header of the final response. Informational ones before it (RFC
// 9110, section 15.2) go to the trace of req, if it has one.
func (c *conn) readResponse(req *http.Request, limit int64) (*http.Response, error) {
	c.left = limit
	if d := c.transport.ResponseHeaderTimeout; d > 0 {
		c.headerBy = time.Now().Add(d)
	}
	defer c.endHeader()
	if _, err := c.in.Peek(1); err != nil {
		return nil, c.readError(err)
	}
	c.answered = true
	trace := httptrace.ContextClientTrace(req.Context())
	for {
		res, err := http.ReadResponse(c.in, req)
		if err != nil {
			return nil, c.readError(err)
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("transport ingest: the backend switched protocols without being asked")
		}
		if res.StatusCode < http.StatusContinue {
			return nil, fmt.Errorf("transport ingest: the backend answered with status %03d", res.StatusCode)
		}
		if res.StatusCode >= http.StatusOK {
			return res, nil
		}
		if trace == nil || trace.Got1xxResponse == nil {
			continue
		}
		if err := trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
			return nil, err
		}
		c.left = limit
	}
}

// endHeader lifts the limits of the header.
func (c *conn) endHeader() {
	c.left = math.MaxInt64
	if !c.headerBy.IsZero() {
		c.headerBy = time.Time{}
		_ = c.SetReadDeadline(time.Time{})
	}
}

// readError returns why the response header could not be read. If the connection failed, that
// is the reason: err from http.ReadResponse may instead be about the line that was cut off.
func (c *conn) readError(err error) error {
	switch {
	case c.failed == nil:
		return err
	case errors.Is(c.failed, io.EOF):
		return io.ErrUnexpectedEOF
	case errors.Is(c.failed, os.ErrDeadlineExceeded) && !c.headerBy.IsZero() && !time.Now().Before(c.headerBy):
		return timeoutError{}
	}
	return c.failed
}
