package body

import (
	"bufio"
	"bytes"
)

// Some clients compress a body without a header for it (posthog-js), and some backends
// check its first bytes. These are the magic bytes of gzip (RFC 1952) or zlib (RFC 1950).

// Unlabelled returns the coding that the first bytes of a body show, "" for none. One in a
// thousand texts begins like zlib: use Beginning to be sure.
func Unlabelled(b []byte) (coding string) {
	switch {
	case bytes.HasPrefix(b, gzipMagic):
		return "gzip"
	case len(b) >= 2 && isZlib(b):
		return "deflate"
	}
	return ""
}

// gzipMagic begins every stream of gzip: its two magic bytes, and deflate as the method.
var gzipMagic = []byte{0x1f, 0x8b, 8}

// isZlib checks the two bytes of RFC 1950, section 2.2: method deflate, and a multiple of 31.
func isZlib(b []byte) bool { return b[0]&0x0f == 8 && (uint(b[0])<<8|uint(b[1]))%31 == 0 }

// Beginning decodes up to 512 bytes of encoded, which may be only the beginning of a body.
// The error is io.EOF if that is the whole body, io.ErrUnexpectedEOF if encoded ends too
// early, and another error if it is damaged.
func Beginning(encoded []byte, coding string) (plain []byte, err error) {
	br := bufferedReaders.Get().(*bufio.Reader)
	br.Reset(&source{rest: encoded})
	dec := decoders[coding].Get().(decoder)
	defer func() {
		decoders[coding].Put(dec)
		br.Reset(nil)
		bufferedReaders.Put(br)
	}()
	if err := dec.reset(br); err != nil {
		return nil, unexpected(err)
	}
	plain = make([]byte, 0, maxPeek)
	for err == nil && len(plain) < maxPeek {
		var n int
		n, err = dec.Read(plain[len(plain):maxPeek])
		plain = plain[:len(plain)+n]
	}
	return plain, err
}

// Decode decodes a body that Read has not decoded, because no header names its coding. It
// frees b.
func (b *Buffer) Decode(coding string, l Limits) (*Buffer, error) { return decode(b, coding, l) }

// Decoded tells whether the body came encoded and was decoded.
func (b *Buffer) Decoded() bool { return b.decoded }
