package body

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Limit refuses, with ErrTooLarge, a request whose Content-Length is more than limit bytes.
// A body of unknown length is passed on, and reading more than limit bytes of it fails with
// an error that is both ErrTooLarge and *http.MaxBytesError.
func Limit(r *http.Request, limit int64) error {
	if r.ContentLength > limit {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, r.ContentLength, limit)
	}
	if r.ContentLength < 0 && hasBody(r) {
		r.Body = limited{http.MaxBytesReader(nil, r.Body, limit)}
	}
	return nil
}

type limited struct{ io.ReadCloser }

func (l limited) Read(p []byte) (int, error) {
	n, err := l.ReadCloser.Read(p)
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = fmt.Errorf("%w: %w", ErrTooLarge, tooLarge)
	}
	return n, err
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }
