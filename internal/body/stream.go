package body

import (
	"io"
	"net/http"
	"sync"
)

// maxPeek is as much of a body as Peek reads.
const maxPeek = 512

// Peek reads the beginning of a body until enough returns true, but no more than 512
// bytes. The body of r still has these bytes at its start. It tells whether that is the
// whole body. beginning is valid until the body is read.
func Peek(r *http.Request, enough func(beginning []byte) bool) (beginning []byte, whole bool, err error) {
	s := streams.Get().(*stream)
	head := s.mem[:0]
	for err == nil && len(head) < maxPeek && !enough(head) {
		var n int
		n, err = r.Body.Read(head[len(head):maxPeek])
		head = head[:len(head)+n]
	}
	s.src, s.head = r.Body, head
	r.Body = s
	if err == io.EOF {
		return head, true, nil
	}
	return head, false, err
}

// Once makes reading the body fail once it was closed. A proxy that has sent a body of
// unknown length to one upstream and tries the next would otherwise find it at its end, and
// send an empty one. For bodies of known length, the transport notices that by itself.
func Once(r *http.Request) {
	if _, ok := r.Body.(*stream); !ok && hasBody(r) && r.ContentLength < 0 {
		r.Body = &stream{src: r.Body}
	}
}

// stream is a body that can be read once. The transport of a proxy may still read it while
// the proxy closes it.
type stream struct {
	src io.ReadCloser

	mu     sync.Mutex
	head   []byte // was read before, and must be returned first
	closed bool
	mem    [maxPeek]byte // for head
}

// streams holds idle streams, of bodies that were read in the end. A stream that was
// passed on is never reused: a transport may hold it longer than the request lasts.
var streams = sync.Pool{New: func() any { return new(stream) }}

// reuse gives the stream of a body back that was peeked into and then read.
func reuse(body io.ReadCloser) {
	if s, ok := body.(*stream); ok {
		*s = stream{} // it may hold a key
		streams.Put(s)
	}
}

func (s *stream) Read(p []byte) (int, error) {
	if n, err := s.readHead(p); n > 0 || err != nil {
		return n, err
	}
	return s.src.Read(p)
}

// readHead returns the bytes read before, and forgets them: they may contain a key.
func (s *stream) readHead(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n := copy(p, s.head)
	clear(s.head[:n])
	s.head = s.head[n:]
	return n, nil
}

// Close does not wait for a Read to end.
func (s *stream) Close() error {
	s.mu.Lock()
	clear(s.head)
	s.head, s.closed = nil, true
	s.mu.Unlock()
	return s.src.Close()
}
