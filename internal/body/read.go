package body

import (
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Errors of Read and Limit, for errors.Is. The number is the status for the client. Any
// other error means that the client did not send the whole body.
var (
	ErrTooLarge        = errors.New("request body is larger than allowed")                                // 413
	ErrDecodedTooLarge = errors.New("decoded request body is larger than allowed")                        // 413
	ErrRatio           = errors.New("request body is compressed more than allowed")                       // 413
	ErrEncoding        = errors.New("encoded request body is damaged")                                    // 400
	ErrUnsupported     = errors.New("unsupported Content-Encoding: it must be gzip, deflate, zstd or br") // 415
	ErrMemory          = errors.New("request bodies use all the memory that they may use")                // 503
)

// Limits bound a body that is read into memory. All are needed: zero lets no byte through.
type Limits struct {
	Body    int64 // bytes as sent
	Decoded int64 // bytes after decoding; does not apply to a body that is not encoded

	// Ratio is the highest allowed number of decoded bytes per byte sent, e.g. 100. It does
	// not apply to the first 64 KiB decoded, because small bodies often repeat themselves.
	Ratio int

	// Budget is where the memory comes from. Nil means no limit.
	Budget *Budget

	// Verified says that the request has already shown a good key. Only then it may use all
	// of the Budget.
	Verified bool

	// Verbatim leaves the body as it was sent, whatever its Content-Encoding.
	Verbatim bool
}

// Whatever Content-Length promises, a body gets memory only for what has arrived: at most
// four times as much, and above quickGrowth twice as much.
const quickGrowth = 64 << 10

// Read reads r.Body to its end and returns it, decoded if Content-Encoding (RFC 9110,
// section 8.4) says gzip, x-gzip, deflate (with or without zlib's frame, both are in use),
// zstd or br. A body without any bytes is empty in every coding.
//
// If Content-Encoding or Content-Length is not acceptable, Read fails before it reads a
// byte, so that a client that waits for 100 (Continue) need not send anything. The caller
// owns the Buffer and must call Replace or Free. r is not changed.
func Read(r *http.Request, l Limits) (*Buffer, error) {
	var coding string
	var err error
	if !l.Verbatim {
		if coding, err = contentCoding(r.Header); err != nil {
			return nil, err
		}
	}
	if r.ContentLength > l.Body {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, r.ContentLength, l.Body)
	}
	if r.Body == nil || r.Body == http.NoBody || r.ContentLength == 0 {
		return &Buffer{decoded: coding != ""}, nil
	}

	b, err := receive(r, l)
	if err == nil && coding != "" {
		b, err = decode(b, coding, l)
	}
	if err != nil {
		return nil, fmt.Errorf("reading request body: %w", err)
	}
	return b, nil
}

// receive reads a body as it was sent.
func receive(r *http.Request, l Limits) (*Buffer, error) {
	note(r, l)
	b := waitingBuffer(l)
	err := b.fill(r.Body, r.ContentLength, l.Body, ErrTooLarge)
	if err != nil || len(b.data) == 0 {
		b.Free()
	}
	if err != nil {
		return nil, err
	}
	return b, nil
}

// note tells a Recording whether the request has shown a good key.
func note(r *http.Request, l Limits) {
	if rec, ok := r.Body.(*Recording); ok {
		rec.verified = l.Verified
	}
}

// fill reads src to its end into b. promised is its announced length, -1 if unknown. With
// more than limit bytes it returns over.
func (b *Buffer) fill(src io.Reader, promised, limit int64, over error) error {
	for {
		if len(b.data) == cap(b.data) {
			if err := b.grow(b.next(promised, limit)); err != nil {
				return err
			}
		}
		room := min(int64(cap(b.data)), limit+1)
		n, err := src.Read(b.data[len(b.data):room])
		b.data = b.data[:len(b.data)+n]
		if b.held == 0 && n > 0 {
			if err := b.charge(); err != nil {
				return err
			}
		}
		switch {
		case int64(len(b.data)) > limit:
			return fmt.Errorf("%w: at most %d bytes", over, limit)
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
	}
}

// next returns how large the buffer must become when it is full. One byte more than
// promised shows that no more comes.
func (b *Buffer) next(promised, limit int64) int {
	room := int64(cap(b.data))
	size := 2 * room
	if room < quickGrowth {
		size = 4 * room
	}
	if promised >= room {
		size = min(size, promised+1)
	}
	return int(min(size, limit+1))
}
