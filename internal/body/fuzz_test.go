package body

import (
	"bytes"
	stdflate "compress/flate"
	stdgzip "compress/gzip"
	stdzlib "compress/zlib"
	"errors"
	"io"
	"testing"
)

// oracle decodes with the standard library; ok is false for a stream that is damaged.
func oracle(coding string, encoded []byte) (content []byte, ok bool) {
	if len(encoded) == 0 {
		return nil, true
	}
	src := bytes.NewReader(encoded)
	var dec io.Reader
	var err error
	switch {
	case coding == "gzip":
		dec, err = stdgzip.NewReader(src)
	case looksLikeZlib(encoded):
		dec, err = stdzlib.NewReader(src)
	default:
		dec = stdflate.NewReader(src)
	}
	if err != nil {
		return nil, false
	}
	content, err = io.ReadAll(io.LimitReader(dec, fuzzLimits.Decoded+1))
	return content, err == nil && (src.Len() == 0 || int64(len(content)) > fuzzLimits.Decoded)
}

func looksLikeZlib(b []byte) bool {
	return len(b) > 1 && b[0]&15 == 8 && (int(b[0])*256+int(b[1]))%31 == 0
}

var fuzzLimits = Limits{Body: 1 << 20, Decoded: 1 << 20, Ratio: 1 << 20}

// FuzzDecode compares with the standard library: the same streams are accepted, and they
// stand for the same bytes. The one exception are gzip headers with reserved flags, which
// RFC 1952, section 2.3.1.2, says must be refused, and which the standard library takes.
func FuzzDecode(f *testing.F) {
	for encoder := range encoders {
		for _, content := range []string{"", "a", `{"token":"k"}`, "abcabcabcabcabcabcabcabc"} {
			encoded := encode(encoder, []byte(content))
			f.Add(encoder == "gzip", encoded)
			f.Add(encoder == "gzip", encoded[:len(encoded)-1])
			f.Add(encoder == "gzip", append(encoded, encoded...))
		}
	}
	f.Add(true, []byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0, 'n'})
	f.Fuzz(func(t *testing.T, gzip bool, encoded []byte) {
		coding := "deflate"
		if gzip {
			coding = "gzip"
		}
		want, ok := oracle(coding, encoded)
		b, err := Read(newRequest(bytes.NewReader(encoded), -1, coding), fuzzLimits)
		switch {
		case errors.Is(err, ErrTooLarge), errors.Is(err, ErrDecodedTooLarge) && int64(len(want)) > fuzzLimits.Decoded:
			return
		case err != nil && !errors.Is(err, ErrEncoding):
			t.Fatalf("got %v, want ErrEncoding or none", err)
		case err == nil && !ok:
			t.Fatalf("%s: accepted what the standard library refuses", coding)
		case err != nil && ok && !(gzip && hasReservedFlags(encoded)):
			t.Fatalf("%s: refused what the standard library accepts: %v", coding, err)
		case err == nil && !bytes.Equal(b.Bytes(), want):
			t.Fatalf("%s: got %q, want %q", coding, b.Bytes(), want)
		}
	})
}

// hasReservedFlags looks for a member with reserved flags anywhere in a gzip stream.
func hasReservedFlags(encoded []byte) bool {
	for i := range encoded {
		if m := encoded[i:]; len(m) > 3 && m[0] == 0x1f && m[1] == 0x8b && m[3]>>5 != 0 {
			return true
		}
	}
	return false
}

// FuzzEncoders is for codings without a decoder in the standard library. It has no oracle but
// the encoder: nothing panics, and what is encoded comes back. TestBrotliAsInNode has another.
func FuzzEncoders(f *testing.F) {
	for _, coding := range []string{"zstd", "br"} {
		f.Add(coding == "br", []byte(`{"token":"k"}`))
		f.Add(coding == "br", encode(coding, []byte(`{"token":"k"}`)))
	}
	f.Fuzz(func(t *testing.T, brotli bool, content []byte) {
		coding := "zstd"
		if brotli {
			coding = "br"
		}
		if b, err := Read(newRequest(bytes.NewReader(content), -1, coding), fuzzLimits); err == nil {
			b.Free()
		}
		b, err := Read(newRequest(bytes.NewReader(encode(coding, content)), -1, coding), fuzzLimits)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), content) {
			t.Fatalf("got %q, want %q", b.Bytes(), content)
		}
		b.Free()
	})
}
