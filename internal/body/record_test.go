package body

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
)

func TestRestore(t *testing.T) {
	const text = "0123456789"
	for _, tc := range []struct {
		name  string
		body  io.Reader
		read  int
		whole bool
		want  string
		err   error
	}{
		{"nothing read", strings.NewReader(text), 0, false, text, nil},
		{"a part read", strings.NewReader(text), 4, false, text, nil},
		{"all read but not its end", strings.NewReader(text), 10, false, text, nil},
		{"all read", strings.NewReader(text), 11, true, text, nil},
		{"end comes with the last bytes", iotest.DataErrReader(strings.NewReader(text)), 11, true, text, nil},
		{"fails", io.MultiReader(strings.NewReader("01"), iotest.ErrReader(io.ErrUnexpectedEOF)), 11, false, "01", io.ErrUnexpectedEOF},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "/", tc.body)
			rec := Record(r, NewBudget(100))
			_, _ = io.ReadAtLeast(r.Body, make([]byte, tc.read), tc.read)
			if read, whole := rec.Bytes(); len(read) != min(tc.read, len(tc.want)) || whole != tc.whole {
				t.Errorf("recorded %q, whole %t", read, whole)
			}
			rec.Restore(r)
			got, err := io.ReadAll(iotest.OneByteReader(r.Body))
			if string(got) != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("restored %q, %v, want %q, %v", got, err, tc.want, tc.err)
			}
		})
	}
}

func TestRecordingWithinBudget(t *testing.T) {
	budget := NewBudget(8) // half of it for a request without a known key
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("0123456789"))
	rec := Record(r, budget)
	if n, err := r.Body.Read(make([]byte, 4)); n != 4 || err != nil || budget.Held() != 4 {
		t.Fatalf("read %d, %v, %d held", n, err, budget.Held())
	}
	if n, err := r.Body.Read(make([]byte, 4)); n != 0 || !errors.Is(err, ErrMemory) {
		t.Fatalf("read %d, %v beyond the budget", n, err)
	}
	rec.Restore(r)
	if got, err := io.ReadAll(r.Body); string(got) != "0123456789" || err != nil {
		t.Errorf("restored %q, %v", got, err)
	}
	rec.Free()
	rec.Free()
	if budget.Held() != 0 {
		t.Errorf("%d held at the end", budget.Held())
	}
}

func TestRecordNoBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	rec := Record(r, nil)
	rec.Restore(r)
	if _, whole := rec.Bytes(); r.Body != http.NoBody || !whole {
		t.Errorf("body %v, whole %t", r.Body, whole)
	}
	rec.Free()
}
