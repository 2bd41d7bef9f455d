package multipart

import "bytes"

// Scanner reads a body from boundary to boundary. Its input may be the whole body, or a
// window that moves over it.
type Scanner struct {
	delimiter []byte
	state     state
	floor     int // where the content before the next boundary begins
	pos       int // everything before it was read
}

type state uint8

const (
	inPreamble state = iota
	inPart
	atEnd // after the last boundary
)

// Boundary is a boundary that was found, with the header after it.
type Boundary struct {
	// At is its position, including its two hyphens. The bytes before it, without one CRLF,
	// are the value of the part that it ends.
	At int
	// Last says that no part follows.
	Last bool
	// Part is the part after it. Its value begins at Value.
	Part  Part
	Value int
}

// Scanner returns a scanner for a body of that form.
func (f *Form) Scanner() Scanner { return Scanner{delimiter: f.delimiter} }

// Next returns the next boundary in b. found is false if it needs more of the body than b,
// or, with whole, if there is no more.
//
// It looks for boundaries everywhere: some readers find one in the middle of a line.
func (s *Scanner) Next(b []byte, whole bool) (next Boundary, found bool, err error) {
	i := bytes.Index(b[s.pos:], s.delimiter)
	if i < 0 {
		return Boundary{}, false, s.none(b, whole)
	}
	next.At = s.pos + i
	if err := s.check(b, next.At); err != nil {
		return Boundary{}, false, err
	}
	enough, err := s.read(b, whole, &next)
	switch {
	case err != nil:
	case enough && next.Last:
		s.state, s.pos, s.floor = atEnd, next.Value, next.Value
	case enough:
		s.state, s.pos, s.floor = inPart, next.Value, next.Value
	case whole:
		err = errTruncated
	default:
		s.pos = max(s.pos, next.At-len(crlf)) // the next call looks for it again
	}
	return next, enough && err == nil, err
}

// Read returns how many of the bytes in the last call of Next need not be passed again.
func (s *Scanner) Read() int { return s.pos }

// Move says that the first n bytes will not be passed again.
func (s *Scanner) Move(n int) {
	s.pos -= n
	s.floor -= n
}

const crlf = "\r\n"

// none moves on to where an incomplete boundary may begin.
func (s *Scanner) none(b []byte, whole bool) error {
	switch {
	case !whole:
		s.pos = max(s.pos, len(b)-len(s.delimiter)-len(crlf)+1)
		return nil
	case s.state != atEnd:
		return errTruncated
	}
	s.pos = len(b)
	return nil
}

// check makes sure that the boundary at that place begins a line and is allowed there.
func (s *Scanner) check(b []byte, at int) error {
	first := s.state == inPreamble && at == s.floor
	switch {
	case s.state == atEnd:
		return errAfterEnd
	case !first && (at < s.floor+len(crlf) || string(b[at-len(crlf):at]) != crlf):
		return errLine
	}
	return nil
}

// read reads the rest of the line, and the header if there is one. enough is false if they
// are not complete.
func (s *Scanner) read(b []byte, whole bool, next *Boundary) (enough bool, err error) {
	from := next.At + len(s.delimiter)
	line := b[from:min(from+4, len(b))]
	switch {
	case len(line) < 2:
		return false, nil
	case string(line[:2]) == crlf:
		return s.header(b, from+len(crlf), next)
	case string(line[:2]) != "--":
		return false, errLine
	case len(line) == 2 && whole, string(line[2:]) == crlf:
		next.Last, next.Value = true, from+2
		return true, nil
	case len(line) < 4 && !whole:
		return false, nil
	}
	return false, errLine
}

// header reads the header of a part.
func (s *Scanner) header(b []byte, from int, next *Boundary) (enough bool, err error) {
	n := bytes.Index(b[from:min(from+maxHeader, len(b))], []byte(crlf+crlf))
	switch {
	case n < 0 && len(b)-from >= maxHeader:
		return false, errTooLong
	case n < 0:
		return false, nil
	case bytes.Contains(b[from:from+n], s.delimiter):
		return false, errLine
	}
	next.Part, err = parseHeader(b[from : from+n])
	next.Value = from + n + 2*len(crlf)
	return err == nil, err
}
