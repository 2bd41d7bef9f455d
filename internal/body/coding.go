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

// decoder undoes one content coding.
type decoder interface {
	io.Reader

	// reset begins a new stream and forgets the one before; src is not empty.
	reset(src *bufio.Reader) error
}

// decoders holds an idle decoder per coding. What they keep of a body until they are used
// again or collected (its last part, as large as their window) is out of our reach and is
// not wiped.
var decoders = map[string]*sync.Pool{
	"gzip":    {New: func() any { return new(gzipDecoder) }},
	"deflate": {New: func() any { return new(deflateDecoder) }},
	"zstd":    {New: func() any { return new(zstdDecoder) }},
	"br":      {New: func() any { return new(brotliDecoder) }},
}

var bufferedReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 4096) }}

// contentCoding returns the key into decoders that h asks for, "" for none.
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

// decode frees encoded and returns what it stands for. A decoder may need megabytes of its
// own, so one is at work only when the body has arrived whole: slow clients hold none.
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

// decode puts into b what encoded stands for.
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

// explain tells what is wrong with the body from what the limits say about it.
func explain(err error, coding string) error {
	switch {
	case err == nil, errors.Is(err, ErrDecodedTooLarge), errors.Is(err, ErrRatio), errors.Is(err, ErrMemory):
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrEncoding, coding, err)
}

// source is an encoded body: it counts what is read from it.
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

// guard stops a decoder whose output is out of proportion to its input.
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
