package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// errStale says that an idle connection was closed before the request was written.
var errStale = errors.New("transport ingest: the backend closed the idle connection")

// exchange is one request on its way.
type exchange struct {
	transport *Transport
	req       *http.Request
	ctx       context.Context //nolint:containedctx // an exchange lives as long as its request
	message   *[]byte         // what is sent
	complete  bool            // the message has the body, and the body is closed
}

// free closes the request body, as every RoundTripper must, and gives the buffer back.
func (x *exchange) free() {
	x.closeBody()
	putBuffer(x.message)
}

func (x *exchange) closeBody() {
	if !x.complete && x.req.Body != nil {
		_ = x.req.Body.Close()
	}
	x.complete = true
}

// do sends the request, twice if necessary.
func (x *exchange) do() (*http.Response, error) {
	var err error
	if *x.message, err = appendHeader(*x.message, x.req); err != nil {
		return nil, err
	}
	c, err := x.connect()
	if err != nil {
		return nil, x.cause(err)
	}
	// The body is read only when there is a connection: a proxy may send a request to
	// another backend if its body was not touched.
	if err := x.readBody(); err != nil {
		x.transport.idle.put(c, x.transport)
		return nil, x.cause(err)
	}
	res, err := x.try(c)
	if err == nil {
		return res, nil
	}
	if x.ctx.Err() != nil || !c.mayRetry(x.req, err) {
		return nil, x.cause(err)
	}
	if c, err = x.dial(); err == nil {
		res, err = x.try(c)
	}
	return res, x.cause(err)
}

// cause returns why the request was canceled if it was, else err.
func (x *exchange) cause(err error) error {
	if err != nil && x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	return err
}

// connect returns an idle connection if there is one, else a new one.
func (x *exchange) connect() (*conn, error) {
	if err := x.ctx.Err(); err != nil {
		return nil, err
	}
	network, address := x.transport.Address(x.req)
	if c := x.transport.idle.get(key{network, address}); c != nil {
		return c, nil
	}
	return x.dial()
}

func (x *exchange) dial() (*conn, error) {
	network, address := x.transport.Address(x.req)
	c, err := x.transport.Dial(x.ctx, network, address)
	if err != nil {
		return nil, err
	}
	return newConn(c, key{network, address}), nil
}

// readBody appends the body to the message, and checks that it is as long as announced.
func (x *exchange) readBody() error {
	length := int(x.req.ContentLength)
	if length == 0 {
		x.closeBody()
		return nil
	}
	header := len(*x.message)
	*x.message = slices.Grow(*x.message, length+1)
	room := (*x.message)[header : header+length+1] // one more byte than there should be
	n, err := io.ReadFull(x.req.Body, room)
	switch {
	case err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case err == nil:
		return fmt.Errorf("transport ingest: request body is longer than its %d bytes", length)
	case n < length:
		return fmt.Errorf("transport ingest: request body has %d of %d bytes: %w", n, length, io.ErrUnexpectedEOF)
	}
	*x.message = (*x.message)[:header+length]
	x.closeBody()
	return nil
}

// try sends the message over c and reads the response header. The caller of RoundTrip reads
// the response body, and so decides when c is free again.
func (x *exchange) try(c *conn) (*http.Response, error) {
	c.begin(x.ctx, x.transport)
	if err := x.write(c); err != nil {
		c.end(false)
		return nil, err
	}
	res, err := c.readResponse(x.req, x.transport.maxResponseHeader())
	if err != nil {
		c.end(false)
		return nil, err
	}
	reuse := !c.broken && !res.Close && res.StatusCode >= http.StatusOK
	if x.req.Method == http.MethodHead || res.ContentLength == 0 {
		c.end(reuse)
		return res, nil
	}
	res.Body = &body{content: res.Body, conn: c, ctx: x.ctx, reuse: reuse}
	return res, nil
}

// write sends the message. A backend may answer early and then close the connection
// without reading, for example if a body is too long. So write does not fail if there is
// an answer to read.
func (x *exchange) write(c *conn) error {
	if c.reused && x.req.ContentLength > 0 && !c.quiet() { // reading the body may have taken long
		return errStale
	}
	if err := c.SetWriteDeadline(time.Now().Add(x.transport.writeTimeout())); err != nil {
		return err
	}
	n, err := c.Conn.Write(*x.message)
	c.wrote = n > 0
	if err == nil {
		return nil
	}
	c.broken = true
	if n == 0 || !c.hasInput() {
		return err
	}
	return nil
}

// mayRetry reports whether req, which failed on c, can be sent once more.
func (c *conn) mayRetry(req *http.Request, err error) bool {
	var timeout net.Error
	if !c.reused || errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	return !c.wrote || !c.answered && replayable(req)
}

// replayable reports whether sending req twice does no harm.
func replayable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	return req.Header["Idempotency-Key"] != nil || req.Header["X-Idempotency-Key"] != nil
}

// maxPooled is the capacity in bytes of the largest buffer that is kept.
const maxPooled = 2 * MaxBody

var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, 2048)) }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}
