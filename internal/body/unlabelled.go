package body

import (
	"bufio"
	"bytes"
)

// Some clients compress a body and say nothing of it in the header (posthog-js), and some
// backends go by its first bytes. Those are gzip's (RFC 1952) or zlib's (RFC 1950).

// Unlabelled returns the coding that a body begins in though nobody says so, "" for none. One
// in a thousand texts begins as zlib does: Beginning tells.
func Unlabelled(b []byte) (coding string) {
	switch {
	case bytes.HasPrefix(b, gzipMagic):
		return "gzip"
	case len(b) >= 2 && isZlib(b):
		return "deflate"
	}
	return ""
}

// gzipMagic begins every stream of gzip: two bytes that are its, and deflate as the method.
var gzipMagic = []byte{0x1f, 0x8b, 8}

// isZlib checks the two bytes of RFC 1950, section 2.2: method deflate, and a multiple of 31.
func isZlib(b []byte) bool { return b[0]&0x0f == 8 && (uint(b[0])<<8|uint(b[1]))%31 == 0 }

// Beginning returns up to 512 bytes of what encoded, or the beginning of it, stands for. It
// returns with them io.EOF if that is all, io.ErrUnexpectedEOF if encoded ends too early, and
// another error if it is damaged.
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

// Decode undoes the coding of a body that Read has left as it was, because nobody said that
// it is in one. It frees b.
func (b *Buffer) Decode(coding string, l Limits) (*Buffer, error) { return decode(b, coding, l) }

// Decoded tells whether the body is not encoded any more, as it was when it came.
func (b *Buffer) Decoded() bool { return b.decoded }
