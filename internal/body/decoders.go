package body

import (
	"bufio"
	"errors"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// gzipDecoder reads RFC 1952: one or more members, one after the other.
type gzipDecoder struct {
	src *bufio.Reader
	gz  gzip.Reader
}

func (g *gzipDecoder) reset(src *bufio.Reader) error {
	g.src = src
	return g.nextMember()
}

func (g *gzipDecoder) nextMember() error {
	if err := g.gz.Reset(g.src); err != nil {
		return unexpected(err)
	}
	// Members are counted here, because the reader treats a header that breaks off in a
	// file name as the end of the stream.
	g.gz.Multistream(false)
	return nil
}

func (g *gzipDecoder) Read(p []byte) (int, error) {
	n, err := g.gz.Read(p)
	if !errors.Is(err, io.EOF) {
		return n, err
	}
	if _, err := g.src.Peek(1); err != nil {
		return n, err
	}
	return n, g.nextMember()
}

// deflateDecoder reads what RFC 9110, section 8.4.1.2, calls deflate, which is zlib's format
// (RFC 1950), and also the bare stream (RFC 1951) that some clients send instead. A bare
// stream does not look like zlib's: its first byte would have to be a stored block with
// padding bits set.
type deflateDecoder struct {
	zlib, bare, current io.ReadCloser
}

func (d *deflateDecoder) reset(src *bufio.Reader) (err error) {
	if !startsZlib(src) {
		if d.bare == nil {
			d.bare = flate.NewReader(src)
		}
		d.current = d.bare
		return d.bare.(flate.Resetter).Reset(src, nil)
	}
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(src)
	} else {
		err = d.zlib.(zlib.Resetter).Reset(src, nil)
	}
	d.current = d.zlib
	return err
}

func (d *deflateDecoder) Read(p []byte) (int, error) { return d.current.Read(p) }

func startsZlib(src *bufio.Reader) bool {
	h, err := src.Peek(2)
	return err == nil && isZlib(h)
}

// maxWindow is the largest window that RFC 9659 allows for zstd.
const maxWindow = 8 << 20

// zstdDecoder reads RFC 8878: one or more frames, one after the other, without dictionaries.
type zstdDecoder struct {
	dec *zstd.Decoder
}

func (z *zstdDecoder) reset(src *bufio.Reader) (err error) {
	if z.dec == nil {
		// A decoder with concurrency 1 works on the goroutine that calls it and needs no
		// Close.
		z.dec, err = zstd.NewReader(nil,
			zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return err
		}
	}
	return z.dec.Reset(src)
}

func (z *zstdDecoder) Read(p []byte) (int, error) { return z.dec.Read(p) }

// brotliDecoder reads RFC 7932: one stream, with windows of up to 16 MiB. The reader
// allocates no larger window than the bytes that the stream claims to have.
type brotliDecoder struct {
	dec brotli.Reader
}

func (b *brotliDecoder) reset(src *bufio.Reader) error { return b.dec.Reset(src) }

func (b *brotliDecoder) Read(p []byte) (int, error) { return b.dec.Read(p) }

// unexpected turns io.EOF in the middle of a stream into io.ErrUnexpectedEOF.
func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
