package body

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// errLeftInTheMiddle is for a retry that cannot get the whole body.
var errLeftInTheMiddle = errors.New("request body cannot be sent again: it was only partly read, or by several readers at once")

// Replay is a request body in memory that can be read several times. It is safe for
// concurrent use. That is needed: the transport of a proxy may still read a body when the
// proxy already sends it to the next upstream, or has returned.
//
// A pass is everything from the first byte to Close. It gives every byte once, in order.
// Close after a complete pass goes back to the first byte; Close in the middle of one makes
// all further reads fail. A pass is complete if it has given all bytes, and given them into
// one and the same slice. Two readers at work at the same time never share a slice, so a
// reader that has missed bytes taken by another gets to the end of the body too early, which
// the upstream sees from Content-Length, but never on to the beginning of the next pass.
//
// A Read copies, so that no byte of the pooled memory is seen after Release.
type Replay struct {
	mu     sync.Mutex
	buf    *Buffer // nil after Release
	pos    int     // bytes given in this pass
	reader *byte   // start of the slice that this pass was first read into
	shared bool    // this pass was also read into other slices
	broken bool    // a pass was left in the middle
	req    *http.Request
	length [1]string // value of the Content-Length header
}

// Read gives the next bytes of this pass, the last ones together with io.EOF. It fails with
// http.ErrBodyReadAfterClose after Release.
func (p *Replay) Read(dst []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.buf == nil:
		return 0, http.ErrBodyReadAfterClose
	case p.broken:
		return 0, errLeftInTheMiddle
	case len(dst) == 0:
		return 0, nil
	case p.pos == 0:
		p.reader = &dst[0]
	case p.pos < len(p.buf.data) && p.reader != &dst[0]:
		p.shared = true
	}
	n, err := read(dst, p.buf.data[p.pos:])
	p.pos += n
	return n, err
}

// Close ends a pass. The memory is kept for the next one until Release.
func (p *Replay) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.buf == nil || p.pos == 0:
		return nil
	case p.pos < len(p.buf.data) || p.shared:
		p.broken = true
	}
	p.pos, p.reader = 0, nil
	return nil
}

// Release gives the memory back to the pool. It is called when the handler chain is done
// and has returned no error; after an error the error routes may want the body, and the
// memory is left to the garbage collector. A second Release does nothing.
func (p *Replay) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buf != nil {
		p.buf.Free()
	}
	p.buf, p.reader, p.req = nil, nil, nil
}

// reopen is the request's GetBody. It fails if a later handler has put in a body of its own.
func (p *Replay) reopen() (io.ReadCloser, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.buf == nil:
		return nil, http.ErrBodyReadAfterClose
	case p.req.Body != p:
		return nil, errors.New("request body cannot be sent again: it was replaced")
	}
	return &pass{replay: p}, nil
}

// pass reads a Replay from the beginning, independently of all others.
type pass struct {
	replay *Replay
	pos    int
	closed bool
}

func (p *pass) Read(dst []byte) (int, error) {
	p.replay.mu.Lock()
	defer p.replay.mu.Unlock()
	if p.closed || p.replay.buf == nil {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := read(dst, p.replay.buf.data[p.pos:])
	p.pos += n
	return n, err
}

func (p *pass) Close() error {
	p.replay.mu.Lock()
	defer p.replay.mu.Unlock()
	p.closed = true
	return nil
}

// read copies the beginning of rest to dst, with io.EOF if that is all of it.
func read(dst, rest []byte) (int, error) {
	n := copy(dst, rest)
	if n == len(rest) {
		return n, io.EOF
	}
	return n, nil
}

var _ io.ReadCloser = (*Replay)(nil)
