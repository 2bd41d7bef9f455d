package body

import (
	"bytes"
	"runtime"
	"sync"
	"testing"
)

func TestGetHasRoomForTheHint(t *testing.T) {
	tests := []struct {
		hint, want int
	}{
		{0, 4 << 10},
		{1, 4 << 10},
		{4 << 10, 4 << 10},
		{4<<10 + 1, 8 << 10},
		{1 << 20, 1 << 20},
		{16<<20 - 1, 16 << 20},
		{16 << 20, 16 << 20},
		{16<<20 + 1, 16<<20 + 1},
	}
	for _, tt := range tests {
		b := Get(tt.hint)
		if len(b.Bytes()) != 0 || cap(b.Bytes()) != tt.want {
			t.Errorf("Get(%d): len %d, cap %d, want 0, %d", tt.hint, len(b.Bytes()), cap(b.Bytes()), tt.want)
		}
		b.Free()
	}
}

func TestSetBytes(t *testing.T) {
	large := bytes.Repeat([]byte("0123456789abcdef"), 1024)
	tests := []struct {
		name string
		set  func(content []byte) []byte
	}{
		{"empty", func([]byte) []byte { return nil }},
		{"prefix of itself", func(c []byte) []byte { return c[:3] }},
		{"suffix of itself", func(c []byte) []byte { return c[3:] }},
		{"other bytes", func([]byte) []byte { return []byte("other") }},
		{"more than fits", func([]byte) []byte { return large }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := Get(0)
			defer b.Free()
			b.SetBytes([]byte("content"))
			want := bytes.Clone(tt.set(b.Bytes()))
			b.SetBytes(tt.set(b.Bytes()))
			if !bytes.Equal(b.Bytes(), want) {
				t.Errorf("got %.20q, want %.20q", b.Bytes(), want)
			}
		})
	}
}

func TestTruncate(t *testing.T) {
	b := Get(0)
	defer b.Free()
	b.SetBytes([]byte("content"))
	b.Truncate(3)
	if got := string(b.Bytes()); got != "con" {
		t.Errorf("got %q, want con", got)
	}
}

func TestFreeWipes(t *testing.T) {
	for _, size := range []int{100, 16<<20 + 1} {
		b := Get(size)
		b.SetBytes([]byte("a key"))
		b.Truncate(1)
		mem := b.chunk.mem
		b.Free()
		if !bytes.Equal(mem, make([]byte, len(mem))) {
			t.Errorf("size %d: content is left in memory after Free", size)
		}
	}
}

func TestFreeTwice(t *testing.T) {
	stale := Get(0)
	stale.Free()
	a := Get(0)
	stale.Free()
	b := Get(0)
	defer a.Free()
	defer b.Free()
	if a.chunk == b.chunk {
		t.Fatal("a second Free has put the memory of another Buffer into the pool")
	}
	if stale.Bytes() != nil {
		t.Error("a Buffer still has memory after Free")
	}
}

// TestBuffersDoNotMix has goroutines fill buffers and look whether anybody else writes to them.
func TestBuffersDoNotMix(t *testing.T) {
	var wg sync.WaitGroup
	for id := range byte(8) {
		wg.Go(func() {
			for i := range 500 {
				b := Get(1 << (10 + i%6))
				b.SetBytes(bytes.Repeat([]byte{id + 1}, 1<<(8+i%6)))
				runtime.Gosched()
				if n := bytes.Count(b.Bytes(), []byte{id + 1}); n != len(b.Bytes()) {
					t.Errorf("%d of %d bytes belong to others", len(b.Bytes())-n, len(b.Bytes()))
				}
				b.Free()
				b.Free()
			}
		})
	}
	wg.Wait()
}
