package wire

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// body is the body of a response. It frees the connection at its end, when it fails, and
// when it is closed, whichever comes first.
type body struct {
	content io.ReadCloser // from http.ReadResponse
	conn    *conn
	ctx     context.Context //nolint:containedctx // of the request
	chunked bool
	reuse   bool        // the connection may be kept after the end
	done    atomic.Bool // the connection is free, or will be soon
	err     error       // how reading ended; only Read uses it
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.done.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.content.Read(p)
	if err != nil {
		b.err = b.end(err)
	}
	return n, b.err
}

// Ready reports whether the first Read surely need not wait. If it is false, it may not have to.
func (b *body) Ready() bool {
	if b.done.Load() {
		return false
	}
	buffered, _ := b.conn.in.Peek(b.conn.in.Buffered())
	if !b.chunked || len(buffered) == 0 {
		return len(buffered) > 0
	}
	if buffered[0] == '0' { // perhaps the last chunk, with a trailer behind it
		return bytes.HasSuffix(buffered, []byte("\r\n\r\n"))
	}
	_, data, _ := bytes.Cut(buffered, []byte("\n"))
	return len(data) > 0
}

// end frees the connection and returns the error that Read should return for err.
func (b *body) end(err error) error {
	if b.done.Swap(true) {
		return http.ErrBodyReadAfterClose // in the middle of it
	}
	whole := errors.Is(err, io.EOF)
	canceled := !whole && b.ctx.Err() != nil
	failed := b.conn.failed
	b.conn.end(b.reuse && whole)
	switch {
	case canceled:
		return context.Cause(b.ctx)
	case !whole && failed != nil && !errors.Is(failed, io.EOF):
		return failed // err may instead say that a trailer ends too early
	}
	return err
}

// Close implements io.Closer. It may be called while Read waits, and ends it. If a part of
// the body is unread, the connection is closed, not read to its end.
func (b *body) Close() error {
	if !b.done.Swap(true) {
		b.conn.end(false)
	}
	return nil
}

// tunnel is the body of a response with status 101: from here on both sides send what they like.
type tunnel struct{ conn *conn }

// Read implements io.Reader.
func (t *tunnel) Read(p []byte) (int, error) { return t.conn.in.Read(p) }

// Write implements io.Writer.
func (t *tunnel) Write(p []byte) (int, error) { return t.conn.Write(p) }

// Close implements io.Closer.
func (t *tunnel) Close() error {
	t.conn.end(false)
	return nil
}

// CloseWrite says that nothing more will be written.
func (t *tunnel) CloseWrite() error {
	if half, ok := t.conn.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
