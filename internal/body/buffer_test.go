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

// fill makes p the content of b, which has room for it.
func fill(b *Buffer, p []byte) { b.data = append(b.data[:0], p...) }

func TestTruncate(t *testing.T) {
	b := Get(0)
	defer b.Free()
	fill(b, []byte("content"))
	b.Truncate(3)
	if got := string(b.Bytes()); got != "con" {
		t.Errorf("got %q, want con", got)
	}
}

func TestFreeWipes(t *testing.T) {
	for _, size := range []int{100, 16<<20 + 1} {
		b := Get(size)
		fill(b, []byte("a key"))
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
				fill(b, bytes.Repeat([]byte{id + 1}, 1<<(8+i%6)))
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
