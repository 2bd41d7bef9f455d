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
// again (a window of a few KiB) is out of our reach and is not wiped.
var decoders = map[string]*sync.Pool{
	"gzip":    {New: func() any { return new(gzipDecoder) }},
	"deflate": {New: func() any { return new(deflateDecoder) }},
	"zstd":    {New: func() any { return new(zstdDecoder) }},
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
	case "gzip", "deflate", "zstd":
		return coding, nil
	}
	return "", ErrUnsupported
}

// decode reads src to its end and puts what it stands for into b.
func (b *Buffer) decode(src io.Reader, coding string, l Limits) error {
	in := &source{r: src, limit: l.Body}
	br := bufferedReaders.Get().(*bufio.Reader)
	br.Reset(in)
	defer func() {
		br.Reset(nil)
		bufferedReaders.Put(br)
	}()

	if _, err := br.Peek(1); err == io.EOF {
		return nil
	}
	dec := decoders[coding].Get().(decoder)
	defer decoders[coding].Put(dec)

	err := dec.reset(br)
	if err == nil {
		err = b.fill(&guard{dec: dec, in: in, ratio: int64(l.Ratio)}, l.Decoded, ErrDecodedTooLarge)
	}
	if err == nil {
		err = atEnd(br)
	}
	return explain(err, in, coding)
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

// explain finds out whose fault err is: a body that could not be read makes every decoder fail.
func explain(err error, in *source, coding string) error {
	switch {
	case in.err != nil:
		return in.err
	case err == nil, errors.Is(err, ErrDecodedTooLarge), errors.Is(err, ErrRatio):
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrEncoding, coding, err)
}

// source is an encoded body: it counts and limits what is read from it, and remembers why
// it could not be read.
type source struct {
	r        io.Reader
	n, limit int64
	err      error
}

func (s *source) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), s.limit+1-s.n)]
	n, err := s.r.Read(p)
	s.n += int64(n)
	if s.n > s.limit {
		err = fmt.Errorf("%w: at most %d bytes", ErrTooLarge, s.limit)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
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
