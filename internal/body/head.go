package body

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// ReadHead reads the first n bytes of r.Body, as they were sent, and tells whether that is
// the whole body. The caller owns the Buffer: it must call Replace or Free if it is, else
// Leave. r is not changed.
func ReadHead(r *http.Request, n int, l Limits) (head *Buffer, whole bool, err error) {
	note(r, l)
	head = waitingBuffer(l)
	for err == nil && len(head.data) < n {
		if len(head.data) == cap(head.data) {
			if err = head.grow(head.next(r.ContentLength, int64(n)-1)); err != nil {
				break
			}
		}
		var got int
		got, err = r.Body.Read(head.data[len(head.data):min(n, cap(head.data))])
		head.data = head.data[:len(head.data)+got]
		if head.held == 0 && got > 0 {
			if full := head.charge(); full != nil {
				err = full
			}
		}
	}
	ended := errors.Is(err, io.EOF)
	if err != nil && !ended {
		head.Free()
		return nil, false, fmt.Errorf("reading request body: %w", err)
	}
	return head, ended || r.ContentLength == int64(len(head.data)), nil
}

// Shorten makes rest the body of r. It streams and has cut bytes less than before.
func Shorten(r *http.Request, rest io.ReadCloser, cut int) {
	r.Body, r.GetBody = rest, nil
	if cut == 0 {
		return
	}
	deleteDigests(r.Header)
	if r.ContentLength >= 0 {
		r.ContentLength -= int64(cut)
		r.Header["Content-Length"] = []string{strconv.FormatInt(r.ContentLength, 10)}
	}
}

// Leave gives the Buffer's share of the budget back, and leaves the memory to the garbage
// collector: the transport of a proxy may still read it.
func (b *Buffer) Leave() {
	b.chunk, b.data = nil, nil
	b.Free()
}

// Put replaces the content. The new content is the old memory, changed in place, or
// something longer.
func (b *Buffer) Put(content []byte) error {
	if len(content) <= len(b.data) {
		b.data = b.data[:copy(b.data, content)]
		return nil
	}
	if len(content) > cap(b.data) {
		if err := b.grow(len(content)); err != nil {
			return err
		}
	}
	b.data = b.data[:copy(b.data[:cap(b.data)], content)]
	return nil
}
