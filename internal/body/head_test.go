package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

// TestReadHead: as much as was asked for, and whether that is all, whatever the body says
// of its length and however it arrives.
func TestReadHead(t *testing.T) {
	t.Parallel()
	const n = 20_000
	for _, size := range []int{0, 1, 5000, n - 1, n, n + 1, 3 * n} {
		for _, known := range []bool{true, false} {
			for name, read := range map[string]func(io.Reader) io.Reader{"as it comes": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader} {
				body := strings.Repeat("x", size)
				r := httptest.NewRequest(http.MethodPost, "/", read(strings.NewReader(body)))
				r.ContentLength = -1
				if known {
					r.ContentLength = int64(size)
				}
				budget := NewBudget(1 << 20)
				head, whole, err := ReadHead(r, n, Limits{Budget: budget})
				if err != nil {
					t.Fatal(err)
				}
				if len(head.Bytes()) != min(n, size) || whole != (size < n || size == n && known) {
					t.Errorf("%d bytes, known %t, %s: %d bytes, whole %t", size, known, name, len(head.Bytes()), whole)
				}
				if rest, err := io.ReadAll(r.Body); err != nil || len(rest) != size-len(head.Bytes()) {
					t.Errorf("%d bytes, known %t, %s: %d bytes left, %v", size, known, name, len(rest), err)
				}
				mem := head.Bytes()
				head.Leave()
				if budget.Held() != 0 || !bytes.Equal(mem, []byte(body[:len(mem)])) {
					t.Errorf("left: %d bytes of the budget are held, or the memory was wiped", budget.Held())
				}
			}
		}
	}
}

// TestReadHeadFails gives its memory back.
func TestReadHeadFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	budget := NewBudget(1 << 20)
	r := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader("xxx"), iotest.ErrReader(broken)))
	if _, _, err := ReadHead(r, 100, Limits{Budget: budget}); !errors.Is(err, broken) || budget.Held() != 0 {
		t.Errorf("%v, %d bytes held", err, budget.Held())
	}
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 50_000)))
	if _, _, err := ReadHead(r, 40_000, Limits{Budget: NewBudget(20_000)}); !errors.Is(err, ErrMemory) {
		t.Errorf("without memory: %v", err)
	}
}

func TestShorten(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		length int64
		cut    int
		want   int64
		header string
		digest bool
	}{
		{100, 0, 100, "100", true},
		{100, 30, 70, "70", false},
		{-1, 30, -1, "", false},
	} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.ContentLength = tc.length
		r.Header.Set("Content-Digest", "sha-256=:x:")
		if tc.length >= 0 {
			r.Header.Set("Content-Length", "100")
		}
		rest := io.NopCloser(strings.NewReader("rest"))
		Shorten(r, rest, tc.cut)
		if r.Body != rest || r.GetBody != nil || r.ContentLength != tc.want || r.Header.Get("Content-Length") != tc.header || (r.Header.Get("Content-Digest") != "") != tc.digest {
			t.Errorf("%+v: %d, %v", tc, r.ContentLength, r.Header)
		}
	}
}

// TestPut: content that was cut in place, and content that has grown.
func TestPut(t *testing.T) {
	t.Parallel()
	budget := NewBudget(1 << 20)
	for _, size := range []int{0, 10, 100, 4096, 4097, 20_000} {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("a", 100)))
		b, err := Read(r, Limits{Body: 1000, Budget: budget})
		if err != nil {
			t.Fatal(err)
		}
		content := b.Bytes()[:min(size, 100)]
		if size > 100 {
			content = bytes.Repeat([]byte("b"), size)
		}
		want := bytes.Clone(content)
		if err := b.Put(content); err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%d bytes: %d, %v", size, len(b.Bytes()), err)
		}
		b.Free()
	}
	if budget.Held() != 0 {
		t.Errorf("%d bytes are held", budget.Held())
	}
}

// TestRecordingPasses: what streams on behind a head that was recorded is not kept.
func TestRecordingPasses(t *testing.T) {
	t.Parallel()
	budget := NewBudget(1 << 20)
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 9000)))
	rec := Record(r, budget)
	if _, err := io.ReadFull(r.Body, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	rec.Pass()
	if rest, err := io.ReadAll(r.Body); err != nil || len(rest) != 8000 {
		t.Errorf("%d bytes, %v", len(rest), err)
	}
	if read, _ := rec.Bytes(); len(read) != 1000 || budget.Held() != 1000 {
		t.Errorf("%d bytes are kept, %d held", len(read), budget.Held())
	}
	rec.Free()
}
