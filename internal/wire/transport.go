package wire

import (
	"cmp"
	"context"
	"net"
	"net/http"
	"time"
)

// MaxBody is the length in bytes of the longest request body that is sent here. It is read
// into memory first and written in one piece with the header.
const MaxBody = 64 << 10

// Defaults of the settings of a Transport.
const (
	DefaultWriteTimeout      = 30 * time.Second
	DefaultMaxResponseHeader = 1 << 20
	DefaultMaxIdle           = 128
	DefaultIdleTimeout       = 2 * time.Minute
)

// Transport is an http.RoundTripper. It is safe for concurrent use and must be neither copied
// nor changed after its first use. It uses no HTTP proxy, and neither requests nor removes
// compression.
type Transport struct {
	// Other gets every request that is not sent here: those with a scheme other than http,
	// CONNECT, requests with an Upgrade, Connection, Expect or Incremental field, with
	// trailers, and with a body that is chunked, of unknown length or longer than MaxBody.
	Other http.RoundTripper

	// Address returns the network ("tcp", "unix") and the address that a request is for.
	Address func(*http.Request) (network, address string)

	// Dial connects. Its errors are returned as they are, unless the request was canceled.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// ResponseHeaderTimeout is how long the response header may take once the request is
	// written. 0 means no limit.
	ResponseHeaderTimeout time.Duration

	// ReadTimeout is how long a single read may wait for the backend. 0 means no limit.
	ReadTimeout time.Duration

	// WriteTimeout is how long writing a request may take. The default is 30 s.
	WriteTimeout time.Duration

	// MaxResponseHeader is how many bytes a response header may have, including
	// informational responses (1xx) that no trace of the request has seen. The default is 1
	// MiB.
	MaxResponseHeader int64

	// MaxIdle is how many idle connections are kept for an address. The default is 128.
	MaxIdle int

	// IdleTimeout is how long an idle connection is kept. The default is 2 minutes.
	IdleTimeout time.Duration

	idle pool
}

// RoundTrip implements http.RoundTripper. It calls only the httptrace hook Got1xxResponse
// and those of net.Dialer.
//
// A request that fails on a connection which was idle is sent once more on a new one if no
// byte of it was written, or if no byte of a response was read and RFC 9110, section 9.2.2,
// allows it: the method is GET, HEAD, OPTIONS or TRACE, or there is an Idempotency-Key.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !plain(req) {
		return t.Other.RoundTrip(req)
	}
	x := exchange{transport: t, req: req, ctx: req.Context(), message: getBuffer()}
	defer x.free()
	return x.do()
}

// CloseIdleConnections closes the connections that are idle now.
func (t *Transport) CloseIdleConnections() {
	t.idle.clear()
	if other, ok := t.Other.(interface{ CloseIdleConnections() }); ok {
		other.CloseIdleConnections()
	}
}

// Close closes the idle connections, and every other one as soon as its response is read.
// Requests can still be sent, each on its own connection.
func (t *Transport) Close() {
	t.idle.close()
	t.CloseIdleConnections()
}

// plain reports whether req can be sent here. A request that http.Transport would refuse
// is not plain, so that the errors are the same.
func plain(req *http.Request) bool {
	if req.URL == nil || req.Header == nil || req.URL.Scheme != "http" || req.URL.Host == "" ||
		req.Method == http.MethodConnect || req.Close || req.Cancel != nil { //nolint:staticcheck // others may set Cancel
		return false
	}
	if len(req.TransferEncoding) > 0 || len(req.Trailer) > 0 || !plainBody(req) {
		return false
	}
	for _, name := range [...]string{"Connection", "Upgrade", "Expect", "Incremental"} {
		if _, ok := req.Header[name]; ok {
			return false
		}
	}
	return true
}

// plainBody reports whether req has no body, or a small one of known length. A body with
// a ContentLength of 0 has unknown length, see http.Request.
func plainBody(req *http.Request) bool {
	if req.Body == nil || req.Body == http.NoBody {
		return req.ContentLength == 0
	}
	return req.ContentLength > 0 && req.ContentLength <= MaxBody
}

func (t *Transport) writeTimeout() time.Duration {
	return cmp.Or(t.WriteTimeout, DefaultWriteTimeout)
}

func (t *Transport) maxResponseHeader() int64 {
	return cmp.Or(t.MaxResponseHeader, DefaultMaxResponseHeader)
}

func (t *Transport) maxIdle() int {
	return cmp.Or(t.MaxIdle, DefaultMaxIdle)
}

func (t *Transport) idleTimeout() time.Duration {
	return cmp.Or(t.IdleTimeout, DefaultIdleTimeout)
}
