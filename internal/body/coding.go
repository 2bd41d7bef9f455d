package body

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
)

// ratioFree is the number of decoded bytes for which no ratio counts.
const ratioFree = 64 << 10

// decoder decodes one content coding.
type decoder interface {
	io.Reader

	// reset begins a new stream and forgets the previous one; src is not empty.
	reset(src *bufio.Reader) error
}

// decoders holds an idle decoder per coding. Until they are used again or collected, they
// keep the last part of a body, as large as their window. We cannot reach that memory, so
// it is not wiped.
var decoders = map[string]*sync.Pool{
	"gzip":    {New: func() any { return new(gzipDecoder) }},
	"deflate": {New: func() any { return new(deflateDecoder) }},
	"zstd":    {New: func() any { return new(zstdDecoder) }},
	"br":      {New: func() any { return new(brotliDecoder) }},
}

var bufferedReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// contentCoding returns the coding in h, as a key of decoders; "" for none.
func contentCoding(h http.Header) (string, error) {
	values := h["Content-Encoding"]
	switch {
	case len(values) == 0:
		return "", nil
	case len(values) > 1:
		return "", ErrUnsupported
	}
	switch coding := strings.ToLower(strings.Trim(values[0], " \t")); coding {
	case "", "identity":
		return "", nil
	case "x-gzip":
		return "gzip", nil
	case "gzip", "deflate", "zstd", "br":
		return coding, nil
	}
	return "", ErrUnsupported
}

// decode frees encoded and returns it decoded. A decoder may need megabytes, so it is used
// only when the whole body has arrived: slow clients hold no decoder.
func decode(encoded *Buffer, coding string, l Limits) (*Buffer, error) {
	defer encoded.Free()
	if len(encoded.data) == 0 {
		return &Buffer{decoded: true}, nil
	}
	b, err := newBuffer(int(min(4*int64(len(encoded.data)), l.Decoded+1)), l)
	if err != nil {
		return nil, err
	}
	b.decoded = true
	if err := b.decode(encoded.data, coding, l); err != nil {
		b.Free()
		return nil, err
	}
	return b, nil
}

// decode puts the decoded content of encoded into b.
func (b *Buffer) decode(encoded []byte, coding string, l Limits) error {
	in := &source{rest: encoded}
	br := bufferedReaders.Get().(*bufio.Reader)
	br.Reset(in)
	defer func() {
		br.Reset(nil)
		bufferedReaders.Put(br)
	}()

	dec := decoders[coding].Get().(decoder)
	defer decoders[coding].Put(dec)

	err := dec.reset(br)
	if err == nil {
		err = b.fill(&guard{dec: dec, in: in, ratio: int64(l.Ratio)}, -1, l.Decoded, ErrDecodedTooLarge)
	}
	if err == nil {
		err = atEnd(br)
	}
	return explain(err, coding)
}

// atEnd reports bytes after the end of an encoded stream.
func atEnd(br *bufio.Reader) error {
	switch _, err := br.ReadByte(); err {
	case io.EOF:
		return nil
	case nil:
		return errors.New("bytes after the end of the stream")
	default:
		return err
	}
}

// explain separates errors in the body from errors of the limits.
func explain(err error, coding string) error {
	switch {
	case err == nil, errors.Is(err, ErrDecodedTooLarge), errors.Is(err, ErrRatio), errors.Is(err, ErrMemory):
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrEncoding, coding, err)
}

// source is an encoded body. It counts the bytes read from it.
type source struct {
	rest []byte
	n    int64
}

func (s *source) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	s.n += int64(n)
	return n, nil
}

// guard stops a decoder whose output is too large for its input.
type guard struct {
	dec   decoder
	in    *source
	out   int64
	ratio int64
}

func (g *guard) Read(p []byte) (int, error) {
	n, err := g.dec.Read(p)
	g.out += int64(n)
	if g.out > ratioFree && g.out > g.in.n*g.ratio {
		return n, fmt.Errorf("%w: more than %d:1", ErrRatio, g.ratio)
	}
	return n, err
}
