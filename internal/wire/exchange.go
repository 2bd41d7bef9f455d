package wire

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Exchange is a request and the responses to it: informational ones (RFC 9110, section 15.2), if
// there are any, and the final one. It is used once.
type Exchange struct {
	// Client sends the request.
	Client *Client

	// Request is the request that is answered. Of it, only the method and the context count.
	Request *http.Request

	// Message is what is sent: the head, see Head, and the body behind it.
	Message []byte

	// Replayable says that sending the message twice does no harm, see Head.Replayable.
	Replayable bool

	conn *conn // that it is on
}

// Send sends the request and returns the first response to it. If that is an informational one,
// other than 101, its body is nil: call Next. If the protocol is switched, the body is also an
// io.Writer.
//
// A request that fails on a connection which was idle is sent once more on a new one if no byte
// of it was written, or if no byte of a response was read and it is replayable.
//
// The error is that of the context once the context is done, see context.Cause.
func (x *Exchange) Send() (*http.Response, error) {
	c, err := x.connect()
	if err != nil {
		return nil, x.cause(err)
	}
	res, err := x.try(c)
	if err == nil {
		return res, nil
	}
	if x.Request.Context().Err() != nil || !c.mayRetry(x.Replayable, err) {
		return nil, x.cause(err)
	}
	if c, err = x.dial(); err == nil {
		res, err = x.try(c)
	}
	return res, x.cause(err)
}

// Next returns the response after an informational one.
func (x *Exchange) Next() (*http.Response, error) {
	res, err := x.conn.nextResponse(x.Request)
	res, err = x.received(res, err)
	return res, x.cause(err)
}

// Abandon ends an exchange after an informational response. Later, closing the body does.
func (x *Exchange) Abandon() { x.conn.end(false) }

// cause returns why the request was canceled if it was, else err.
func (x *Exchange) cause(err error) error {
	if err != nil && x.Request.Context().Err() != nil {
		return context.Cause(x.Request.Context())
	}
	return err
}

// connect returns an idle connection if there is one, else a new one.
func (x *Exchange) connect() (*conn, error) {
	if err := x.Request.Context().Err(); err != nil {
		return nil, err
	}
	if c := x.Client.idle.get(); c != nil {
		return c, nil
	}
	return x.dial()
}

func (x *Exchange) dial() (*conn, error) {
	c, err := x.Client.Dial(x.Request.Context())
	if err != nil {
		return nil, err
	}
	return newConn(c, x.Client), nil
}

// try sends the message over c and reads the head of the response. Whoever reads the body of
// the response decides when c is free again.
func (x *Exchange) try(c *conn) (*http.Response, error) {
	x.conn = c
	c.begin(x.Request.Context())
	if err := x.write(); err != nil {
		c.end(false)
		return nil, err
	}
	res, err := c.firstResponse(x.Request)
	return x.received(res, err)
}

// received gives res its body.
func (x *Exchange) received(res *http.Response, err error) (*http.Response, error) {
	c := x.conn
	switch {
	case err != nil:
		c.end(false)
		return nil, err
	case switchesProtocol(res):
		res.Body = &tunnel{c}
		return res, nil
	case isInformational(res.StatusCode):
		res.Body = nil
		return res, nil
	}
	reuse := !c.broken && !res.Close && res.StatusCode >= http.StatusOK
	if x.Request.Method == http.MethodHead || res.ContentLength == 0 {
		c.end(reuse)
		return res, nil
	}
	res.Body = &body{content: res.Body, conn: c, ctx: x.Request.Context(), chunked: len(res.TransferEncoding) > 0, reuse: reuse}
	return res, nil
}

// isInformational reports whether another response follows.
func isInformational(status int) bool {
	return status >= http.StatusContinue && status < http.StatusOK && status != http.StatusSwitchingProtocols
}

// switchesProtocol reports whether something else than HTTP follows.
func switchesProtocol(res *http.Response) bool {
	return res.StatusCode == http.StatusSwitchingProtocols && res.Header.Get("Upgrade") != "" &&
		httpguts.HeaderValuesContainsToken(res.Header["Connection"], "Upgrade")
}

// fits is how long in bytes a message may be that surely fits into the buffer of the socket.
const fits = 16 << 10

// patience is how long writing may take before a look whether there is an answer already.
const patience = 200 * time.Millisecond

// write sends the message. A backend may answer early and then read no more, for example if a
// body is too long. So write does not fail, and does not wait, if there is an answer to read.
func (x *Exchange) write() error {
	c := x.conn
	for rest := x.Message; ; {
		impatient := len(rest) > fits && x.Client.WriteTimeout == 0
		if impatient {
			if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
		}
		n, err := c.Conn.Write(rest)
		c.wrote = c.wrote || n > 0
		switch rest = rest[n:]; {
		case err == nil && impatient:
			return c.SetWriteDeadline(time.Time{})
		case err == nil:
			return nil
		case c.wrote && c.isAnswered():
			c.broken = true
			return nil
		case !impatient || !errors.Is(err, os.ErrDeadlineExceeded):
			c.broken = true
			return err
		case c.failed != nil: // there will be no answer
			return c.failed
		}
	}
}

// mayRetry reports whether a request that failed on c can be sent once more.
func (c *conn) mayRetry(replayable bool, err error) bool {
	var timeout net.Error
	if !c.reused || errors.As(err, &timeout) && timeout.Timeout() {
		return false
	}
	return !c.wrote || !c.answered && replayable
}
