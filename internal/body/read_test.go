package body

import (
	"bytes"
	stdflate "compress/flate"
	stdgzip "compress/gzip"
	stdzlib "compress/zlib"
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
)

var testLimits = Limits{Body: 1 << 20, Decoded: 8 << 20, Ratio: 100}

// encoders are the standard library's, where it has one.
var encoders = map[string]func(io.Writer) io.WriteCloser{
	"gzip":   func(w io.Writer) io.WriteCloser { return stdgzip.NewWriter(w) },
	"x-gzip": func(w io.Writer) io.WriteCloser { return stdgzip.NewWriter(w) },
	"zlib":   func(w io.Writer) io.WriteCloser { return stdzlib.NewWriter(w) },
	"bare": func(w io.Writer) io.WriteCloser {
		fw, err := stdflate.NewWriter(w, stdflate.DefaultCompression)
		if err != nil {
			panic(err)
		}
		return fw
	},
	"br": func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 5) },
	"zstd": func(w io.Writer) io.WriteCloser {
		zw, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		if err != nil {
			panic(err)
		}
		return zw
	},
}

func encode(encoder string, content []byte) []byte {
	var encoded bytes.Buffer
	w := encoders[encoder](&encoded)
	if _, err := w.Write(content); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return encoded.Bytes()
}

func codingOf(encoder string) string {
	if encoder == "zlib" || encoder == "bare" {
		return "deflate"
	}
	return encoder
}

// newRequest returns a request as a server sees it; length -1 means chunked.
func newRequest(body io.Reader, length int, coding ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(body))
	r.ContentLength = int64(length)
	if len(coding) > 0 {
		r.Header["Content-Encoding"] = coding
	}
	return r
}

// noise does not compress.
func noise(size int) []byte {
	rnd := rand.NewChaCha8([32]byte{1})
	b := make([]byte, size)
	_, _ = rnd.Read(b)
	return b
}

func TestReadSizes(t *testing.T) {
	limits := Limits{Body: 40 << 20, Decoded: 40 << 20, Ratio: 100}
	for _, size := range []int{1, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 16<<20 + 5} {
		content := noise(size)
		for name, src := range map[string]io.Reader{
			"at once":            bytes.NewReader(content),
			"half at a time":     iotest.HalfReader(bytes.NewReader(content)),
			"EOF with last data": iotest.DataErrReader(bytes.NewReader(content)),
		} {
			for _, length := range []int{size, -1} {
				b, err := Read(newRequest(src, length), limits)
				if err != nil {
					t.Fatalf("%d bytes, %s, Content-Length %d: %v", size, name, length, err)
				}
				if !bytes.Equal(b.Bytes(), content) {
					t.Fatalf("%d bytes, %s, Content-Length %d: other bytes", size, name, length)
				}
				b.Free()
				src = bytes.NewReader(content)
			}
		}
	}
}

func TestReadCodings(t *testing.T) {
	for encoder := range encoders {
		for _, content := range [][]byte{nil, []byte(`{"token":"k"}`), bytes.Repeat([]byte(`{"a":1}`), 5000), noise(100_000)} {
			encoded := encode(encoder, content)
			for _, coding := range []string{codingOf(encoder), strings.ToUpper(codingOf(encoder)), " " + codingOf(encoder) + "\t"} {
				b, err := Read(newRequest(bytes.NewReader(encoded), -1, coding), testLimits)
				if err != nil {
					t.Fatalf("%s as %q: %v", encoder, coding, err)
				}
				if !bytes.Equal(b.Bytes(), content) {
					t.Errorf("%s as %q: got %.30q, want %.30q", encoder, coding, b.Bytes(), content)
				}
				b.Free()
			}
		}
	}
}

func TestReadSeveralMembers(t *testing.T) {
	for _, encoder := range []string{"gzip", "zstd"} {
		encoded := append(encode(encoder, []byte("first ")), encode(encoder, []byte("second"))...)
		b, err := Read(newRequest(bytes.NewReader(encoded), -1, encoder), testLimits)
		if err != nil || string(b.Bytes()) != "first second" {
			t.Errorf("%s: got %v, %v", encoder, b, err)
		}
	}
}

func TestReadEmpty(t *testing.T) {
	for _, coding := range []string{"", "identity", "gzip", "deflate", "zstd", "br"} {
		for _, r := range []*http.Request{
			newRequest(strings.NewReader(""), -1, coding),
			newRequest(http.NoBody, 0, coding),
		} {
			b, err := Read(r, Limits{})
			if err != nil || len(b.Bytes()) != 0 {
				t.Errorf("%q: got %v, %v, want an empty body", coding, b, err)
			}
		}
	}
	r := newRequest(nil, 0)
	r.Body = nil
	if b, err := Read(r, Limits{}); err != nil || len(b.Bytes()) != 0 {
		t.Errorf("no body: got %v, %v, want an empty body", b, err)
	}
}

func TestReadUnsupported(t *testing.T) {
	for _, codings := range [][]string{
		{"brotli"}, {"br, gzip"}, {"compress"}, {"gzip, gzip"}, {"gzip,identity"}, {"gzip", "gzip"}, {"", ""}, {"gzip;q=1"}, {"gzi\x00p"},
	} {
		// A body that fails the test when it is read: refusing must come first.
		src := readerFunc(func([]byte) (int, error) { t.Error("the body was read"); return 0, io.EOF })
		if _, err := Read(newRequest(src, -1, codings...), testLimits); !errors.Is(err, ErrUnsupported) {
			t.Errorf("%q: got %v, want %v", codings, err, ErrUnsupported)
		}
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestReadBodyLimit(t *testing.T) {
	limits := Limits{Body: 5000, Decoded: 1 << 20, Ratio: 100}
	tests := []struct {
		name   string
		size   int
		length int
		want   error
	}{
		{"exactly, declared", 5000, 5000, nil},
		{"exactly, chunked", 5000, -1, nil},
		{"one more, chunked", 5001, -1, ErrTooLarge},
		{"far more, chunked", 1 << 20, -1, ErrTooLarge},
	}
	for _, coding := range []string{"", "gzip"} {
		for _, tt := range tests {
			t.Run(tt.name+" "+coding, func(t *testing.T) {
				content := noise(tt.size)
				if coding != "" {
					content = storedGzip(tt.size)
				}
				src := bytes.NewReader(content)
				b, err := Read(newRequest(src, tt.length, coding), limits)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				if err == nil {
					b.Free()
				}
				if read := tt.size - src.Len(); read > 5001 {
					t.Errorf("%d bytes were read, the limit is 5000", read)
				}
			})
		}
	}
}

// storedGzip returns a gzip stream of exactly size bytes.
func storedGzip(size int) []byte {
	var encoded bytes.Buffer
	w, err := stdgzip.NewWriterLevel(&encoded, stdgzip.NoCompression)
	if err != nil {
		panic(err)
	}
	for overhead := 23; ; overhead++ {
		encoded.Reset()
		w.Reset(&encoded)
		_, _ = w.Write(noise(max(0, size-overhead)))
		_ = w.Close()
		if encoded.Len() == size {
			return encoded.Bytes()
		}
		if encoded.Len() < size {
			panic("no stream of that size")
		}
	}
}

func TestReadRefusesBeforeReading(t *testing.T) {
	src := readerFunc(func([]byte) (int, error) { t.Error("the body was read"); return 0, io.EOF })
	if _, err := Read(newRequest(src, 5001), Limits{Body: 5000}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("got %v, want %v", err, ErrTooLarge)
	}
}

func TestReadDecodedLimit(t *testing.T) {
	for encoder := range encoders {
		limits := Limits{Body: 1 << 20, Decoded: 50_000, Ratio: 1 << 20}
		for size, want := range map[int]error{50_000: nil, 50_001: ErrDecodedTooLarge, 500_000: ErrDecodedTooLarge} {
			encoded := encode(encoder, make([]byte, size))
			b, err := Read(newRequest(bytes.NewReader(encoded), len(encoded), codingOf(encoder)), limits)
			if !errors.Is(err, want) {
				t.Errorf("%s, %d bytes: got %v, want %v", encoder, size, err, want)
			}
			if err == nil {
				b.Free()
			}
		}
	}
}

func TestReadRatio(t *testing.T) {
	tests := []struct {
		name    string
		content []byte
		ratio   int
		want    error
	}{
		{"small body of one byte repeated", make([]byte, 64<<10), 1, nil},
		{"just above the free part", make([]byte, 64<<10+1), 1, ErrRatio},
		{"1 MiB of one byte", make([]byte, 1<<20), 100, ErrRatio},
		{"no compression to speak of", noise(1 << 19), 2, nil},
		{"zero lets nothing through", make([]byte, 1<<20), 0, ErrRatio},
	}
	for _, tt := range tests {
		for encoder := range encoders {
			encoded := encode(encoder, tt.content)
			limits := Limits{Body: 1 << 20, Decoded: 8 << 20, Ratio: tt.ratio}
			b, err := Read(newRequest(bytes.NewReader(encoded), -1, codingOf(encoder)), limits)
			if !errors.Is(err, tt.want) {
				t.Errorf("%s, %s: got %v, want %v", tt.name, encoder, err, tt.want)
			}
			if err == nil {
				b.Free()
			}
		}
	}
}

// TestBombStopsEarly decodes streams of 16 MiB, and checks how much memory is
// allocated.
func TestBombStopsEarly(t *testing.T) {
	tests := []struct {
		name   string
		limits Limits
		want   error
	}{
		{"decoded limit", Limits{Body: 2 << 20, Decoded: 1 << 20, Ratio: 1 << 20}, ErrDecodedTooLarge},
		{"ratio", Limits{Body: 2 << 20, Decoded: 1 << 30, Ratio: 100}, ErrRatio},
	}
	for _, encoder := range []string{"gzip", "zlib", "zstd", "br"} {
		bomb := encode(encoder, make([]byte, 16<<20))
		for _, tt := range tests {
			t.Run(encoder+" "+tt.name, func(t *testing.T) {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				_, err := Read(newRequest(bytes.NewReader(bomb), len(bomb), codingOf(encoder)), tt.limits)
				runtime.ReadMemStats(&after)
				if !errors.Is(err, tt.want) {
					t.Fatalf("got %v, want %v", err, tt.want)
				}
				// Up to two windows of 8 MiB for zstd or one of 16 MiB for brotli, and the size
				// classes up to the limit.
				if n := after.TotalAlloc - before.TotalAlloc; n > 24<<20 {
					t.Errorf("%d bytes were allocated", n)
				}
			})
		}
	}
}

func TestReadDamaged(t *testing.T) {
	for encoder := range encoders {
		whole := encode(encoder, []byte(strings.Repeat("some content ", 100)))
		flipped := bytes.Clone(whole)
		flipped[len(flipped)/2] ^= 0x55
		tests := map[string][]byte{
			"cut off":        whole[:len(whole)-1],
			"first byte":     whole[:1],
			"half":           whole[:len(whole)/2],
			"bytes after it": append(bytes.Clone(whole), "garbage"...),
			"zero after it":  append(bytes.Clone(whole), 0),
			"something else": []byte(`{"not":"encoded"}`),
			"bits turned":    flipped,
			"member cut off": append(bytes.Clone(whole), whole[:4]...),
			"header cut off": {0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0, 'n', 'a', 'm', 'e'},
			"second cut off": append(bytes.Clone(whole), 0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 0, 'n'),
		}
		for name, encoded := range tests {
			if (encoder == "bare" || encoder == "br") && name == "bits turned" {
				continue // has no checksum
			}
			b, err := Read(newRequest(bytes.NewReader(encoded), -1, codingOf(encoder)), testLimits)
			if !errors.Is(err, ErrEncoding) {
				t.Errorf("%s, %s: got %v, %v, want %v", encoder, name, b, err, ErrEncoding)
			}
		}
	}
}

// TestZstdWindow asks for memory that RFC 9659 does not let a client ask for.
func TestZstdWindow(t *testing.T) {
	for window, want := range map[int]error{8 << 20: nil, 16 << 20: ErrEncoding} {
		var encoded bytes.Buffer
		zw, err := zstd.NewWriter(&encoded, zstd.WithWindowSize(window))
		if err != nil {
			t.Fatal(err)
		}
		_, _ = zw.Write([]byte("content"))
		_ = zw.Flush() // the length is not known now, so the frame says how large its window is
		_ = zw.Close()
		if _, err := Read(newRequest(&encoded, -1, "zstd"), testLimits); !errors.Is(err, want) {
			t.Errorf("window of %d bytes: got %v, want %v", window, err, want)
		}
	}
}

// TestReadDisconnect has the client go away: that is not a damaged stream.
func TestReadDisconnect(t *testing.T) {
	for encoder := range encoders {
		encoded := encode(encoder, noise(100_000))
		for _, coding := range []string{"", codingOf(encoder)} {
			for _, n := range []int{0, 1, 500, 50_000} {
				src := io.MultiReader(bytes.NewReader(encoded[:n]), iotest.ErrReader(io.ErrUnexpectedEOF))
				_, err := Read(newRequest(src, -1, coding), testLimits)
				if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, ErrEncoding) {
					t.Errorf("%q after %d bytes: got %v", coding, n, err)
				}
			}
		}
	}
}

// TestReadMemoryFollowsBytes declares much and sends little.
func TestReadMemoryFollowsBytes(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	src := io.MultiReader(strings.NewReader("little"), iotest.ErrReader(io.ErrUnexpectedEOF))
	_, err := Read(newRequest(src, 1<<30), Limits{Body: 1 << 30})
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Fatal("no error")
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("%d bytes were allocated", n)
	}
}

func TestReplace(t *testing.T) {
	digests := http.Header{
		"Content-Md5": {"x"}, "Digest": {"x"}, "Content-Digest": {"x"}, "Repr-Digest": {"x"},
	}
	tests := []struct {
		name    string
		coding  string
		content string
		header  http.Header
		changed bool
		want    http.Header
	}{
		{"unchanged keeps digests", "", "abc", digests, false, digests},
		{"changed drops digests", "", "abc", digests, true, http.Header{}},
		{"decoded drops digests", "gzip", "abc", digests, false, http.Header{}},
		{"trailers are dropped", "", "abc", http.Header{"Trailer": {"X"}, "X": {"y"}}, false, http.Header{"X": {"y"}}},
		{"identity stays", "identity", "abc", nil, false, http.Header{"Content-Encoding": {"identity"}}},
		{"empty", "", "", digests, false, digests},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content := []byte(tt.content)
			if tt.coding == "gzip" {
				content = encode("gzip", content)
			}
			r := newRequest(bytes.NewReader(content), -1)
			r.TransferEncoding = []string{"chunked"}
			r.Trailer = http.Header{"X": nil}
			maps.Copy(r.Header, tt.header)
			if tt.coding != "" {
				r.Header.Set("Content-Encoding", tt.coding)
			}
			b, err := Read(r, testLimits)
			if err != nil {
				t.Fatal(err)
			}
			defer Replace(r, b, tt.changed).Release()
			checkReplaced(t, r, tt.content, tt.want)
		})
	}
}

func checkReplaced(t *testing.T, r *http.Request, content string, header http.Header) {
	t.Helper()
	length := r.Header.Get("Content-Length")
	r.Header.Del("Content-Length")
	if len(r.Header) != len(header) {
		t.Errorf("header: got %v, want %v", r.Header, header)
	}
	for name := range header {
		if r.Header.Get(name) != header.Get(name) {
			t.Errorf("header: got %v, want %v", r.Header, header)
		}
	}
	if r.Trailer != nil || r.TransferEncoding != nil {
		t.Errorf("trailer %v, transfer encoding %v, want none", r.Trailer, r.TransferEncoding)
	}
	if r.ContentLength != int64(len(content)) || content != "" && length != "3" || content == "" && length != "" {
		t.Errorf("length: %d, header %q", r.ContentLength, length)
	}
	if content == "" && r.Body != http.NoBody {
		t.Errorf("body is %T, want NoBody", r.Body)
	}
	for range 2 {
		got, err := copyBody(r.Body, 100)
		if string(got) != content || err != nil {
			t.Errorf("Body: got %q, %v", got, err)
		}
		_ = r.Body.Close()
		again, err := r.GetBody()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(again); string(got) != content || err != nil {
			t.Errorf("GetBody: got %q, %v", got, err)
		}
	}
}

func TestReplaceWithShorterContent(t *testing.T) {
	r := newRequest(strings.NewReader("0123456789"), 10)
	r.Header.Set("Content-Length", "10")
	b, err := Read(r, testLimits)
	if err != nil {
		t.Fatal(err)
	}
	b.Truncate(0)
	Replace(r, b, true)
	if r.ContentLength != 0 || r.Header.Get("Content-Length") != "0" || r.Body != http.NoBody {
		t.Errorf("length %d, header %v, body %T", r.ContentLength, r.Header, r.Body)
	}
}
