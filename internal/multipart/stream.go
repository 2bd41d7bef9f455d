package multipart

import (
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Stream passes a body on as it arrives. It fails before it passes on the value of a
// forbidden part, and if readers may understand the body differently.
type Stream struct {
	scanner Scanner
	known   int
	check   func(Part) error // nil to let everything through
	src     io.ReadCloser
	buf     []byte // buf[from:to] was read from src and not yet passed on
	from    int
	to      int
	ready   int   // how much of that may be passed on
	err     error // io.EOF at the end of src
	closed  atomic.Bool
}

// Stream returns the body that begins with head and continues with src. It asks check
// about all parts except the first known ones. Without check it lets everything through.
//
// It uses the memory of head, up to its capacity, which must be at least minWindow.
func (f *Form) Stream(head []byte, src io.ReadCloser, known int, check func(Part) error) *Stream {
	s := &Stream{scanner: f.Scanner(), known: known, check: check, src: src, buf: head[:cap(head)], to: len(head)}
	if len(s.buf) < minWindow {
		s.buf = append(make([]byte, 0, minWindow), head...)[:minWindow]
	}
	s.scan()
	return s
}

// minWindow has room for the header of a part, and for a boundary before it.
const minWindow = 2 * maxHeader

// Read implements io.Reader.
func (s *Stream) Read(p []byte) (int, error) {
	for s.ready == 0 && len(p) > 0 && s.err == nil && !s.closed.Load() {
		s.fill()
	}
	switch {
	case s.closed.Load():
		return 0, http.ErrBodyReadAfterClose
	case s.err != nil && (!errors.Is(s.err, io.EOF) || s.ready == 0):
		return 0, s.err
	}
	n := copy(p, s.buf[s.from:s.from+s.ready])
	s.from += n
	s.ready -= n
	s.scanner.Move(n)
	return n, nil
}

// fill reads on.
func (s *Stream) fill() {
	s.from, s.to = 0, copy(s.buf, s.buf[s.from:s.to])
	n, err := s.src.Read(s.buf[s.to:])
	s.to += n
	s.err = err
	if err == nil || err == io.EOF {
		s.scan()
	}
}

// scan looks at what was read.
func (s *Stream) scan() {
	if s.check == nil {
		s.ready = s.to - s.from
		return
	}
	for {
		found, err := s.next()
		if err != nil {
			s.err = err
		}
		if err != nil || !found {
			break
		}
	}
	s.ready = s.scanner.Read()
}

// next looks at the next part.
func (s *Stream) next() (found bool, err error) {
	b, found, err := s.scanner.Next(s.buf[s.from:s.to], errors.Is(s.err, io.EOF))
	switch {
	case err != nil || !found || b.Last:
	case s.known > 0:
		s.known--
	default:
		err = s.check(b.Part)
	}
	return found, err
}

// Close makes all further reads fail. It does not wait for one to end.
func (s *Stream) Close() error {
	s.closed.Store(true)
	return s.src.Close()
}
