package body

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
)

func TestLimit(t *testing.T) {
	tests := []struct {
		name      string
		size      int
		length    int
		now, read error
	}{
		{"declared, at the limit", 10, 10, nil, nil},
		{"declared, above", 11, 11, ErrTooLarge, nil},
		{"chunked, at the limit", 10, -1, nil, nil},
		{"chunked, above", 11, -1, nil, ErrTooLarge},
		{"chunked, far above", 1 << 20, -1, nil, ErrTooLarge},
		{"none", 0, 0, nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			content := noise(tt.size)
			r := newRequest(bytes.NewReader(content), tt.length)
			if err := Limit(r, 10); !errors.Is(err, tt.now) {
				t.Fatalf("Limit: got %v, want %v", err, tt.now)
			}
			if tt.now != nil {
				return
			}
			got, err := io.ReadAll(r.Body)
			if !errors.Is(err, tt.read) {
				t.Fatalf("Read: got %v, want %v", err, tt.read)
			}
			if want := content[:min(len(content), 10)]; !bytes.Equal(got, want) {
				t.Errorf("got %d bytes, want %d", len(got), len(want))
			}
			if _, ok := errors.AsType[*http.MaxBytesError](err); ok != (err != nil) {
				t.Errorf("%v is not a MaxBytesError", err)
			}
			if _, again := r.Body.Read(make([]byte, 1)); err != nil && !errors.Is(again, ErrTooLarge) {
				t.Errorf("reading on: got %v, want %v", again, ErrTooLarge)
			}
		})
	}
}

func TestLimitLeavesNoBodyAlone(t *testing.T) {
	for _, body := range []io.ReadCloser{nil, http.NoBody} {
		r := newRequest(nil, -1)
		r.Body = body
		if err := Limit(r, 10); err != nil || r.Body != body {
			t.Errorf("got %v, %T, want nil, %T", err, r.Body, body)
		}
	}
}
