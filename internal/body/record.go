package body

import (
	"errors"
	"io"
	"net/http"
)

// Recording keeps what is read of a request body, so that the request can be passed on
// unchanged. It is not safe for concurrent use.
type Recording struct {
	src      io.ReadCloser // nil if the request has no body
	read     []byte
	err      error // that ended the reading, io.EOF at the end of the body
	budget   *Budget
	verified bool // to the budget
	held     int64
	passes   bool // nothing more is kept
}

// Record makes a Recording the body of r. What it keeps is taken from the budget;
// if that has no more, reading fails with ErrMemory and loses nothing.
func Record(r *http.Request, budget *Budget) *Recording {
	rec := &Recording{budget: budget}
	if hasBody(r) && r.ContentLength != 0 {
		rec.src, r.Body = r.Body, rec
	}
	return rec
}

// Read implements io.Reader. What there is no memory for has arrived all the same, and is
// kept: reading ends with it, and the request is handed on.
func (rec *Recording) Read(p []byte) (int, error) {
	if rec.err != nil {
		return 0, rec.err
	}
	n, err := rec.src.Read(p)
	if rec.passes {
		return n, err
	}
	rec.read, rec.err = append(rec.read, p[:n]...), err
	switch {
	case n == 0:
	case !rec.budget.take(int64(n), rec.verified):
		return 0, ErrMemory
	default:
		rec.held += int64(n)
	}
	return n, err
}

// Close does nothing: the body is still to be handed on.
func (rec *Recording) Close() error {
	if rec.passes {
		return rec.src.Close()
	}
	return nil
}

// Pass ends the recording of a body that is handed on changed, and streams.
func (rec *Recording) Pass() { rec.passes = true }

// Bytes returns what was read, and whether that is the whole body.
func (rec *Recording) Bytes() (read []byte, whole bool) {
	return rec.read, rec.src == nil || errors.Is(rec.err, io.EOF)
}

// Restore makes the body of r what it was before Record, to be read from its
// beginning.
func (rec *Recording) Restore(r *http.Request) {
	if rec.src != nil {
		r.Body = &restored{rec: rec, rest: rec.read}
	}
}

// Free gives the budget back, at the end of the request.
func (rec *Recording) Free() {
	rec.budget.give(rec.held)
	rec.held = 0
}

// restored is a body of which a part was read before.
type restored struct {
	rec  *Recording
	rest []byte
}

func (b *restored) Read(p []byte) (int, error) {
	if len(b.rest) > 0 {
		n := copy(p, b.rest)
		b.rest = b.rest[n:]
		return n, nil
	}
	if b.rec.err != nil {
		return 0, b.rec.err
	}
	n, err := b.rec.src.Read(p)
	if err != nil {
		b.rec.err = err
	}
	return n, err
}

func (b *restored) Close() error { return b.rec.src.Close() }
