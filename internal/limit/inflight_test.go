package limit

import (
	"sync"
	"sync/atomic"
	"testing"
)

func TestInFlight(t *testing.T) {
	f := NewInFlight()
	for _, step := range []struct {
		acquire int // key, or 0
		release int
		limit   int64
		want    bool
		keys    int
	}{
		{acquire: 1, limit: 2, want: true, keys: 1},
		{acquire: 1, limit: 2, want: true, keys: 1},
		{acquire: 1, limit: 2, want: false, keys: 1},
		{acquire: 2, limit: 1, want: true, keys: 2},
		{acquire: 3, limit: 0, want: false, keys: 2},
		{release: 1, keys: 2},
		{acquire: 1, limit: 1, want: false, keys: 2}, // the limit was lowered
		{acquire: 1, limit: 2, want: true, keys: 2},
		{release: 1, keys: 2},
		{release: 1, keys: 1},
		{release: 2, keys: 0},
		{acquire: 1, limit: 1, want: true, keys: 1},
		{release: 1, keys: 0},
	} {
		if step.acquire > 0 {
			if got := f.Acquire(key(step.acquire), step.limit); got != step.want {
				t.Fatalf("%+v: got %v", step, got)
			}
		} else {
			f.Release(key(step.release))
		}
		if f.Len() != step.keys {
			t.Fatalf("%+v: %d keys held", step, f.Len())
		}
	}
}

func TestInFlightConcurrent(t *testing.T) {
	f := NewInFlight()
	const limit = 3
	var running, most, passed atomic.Int64
	var wg sync.WaitGroup
	for g := range 16 {
		wg.Go(func() {
			for n := range 2000 {
				if f.Acquire(key(1), limit) {
					now := running.Add(1)
					for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
					}
					passed.Add(1)
					running.Add(-1)
					f.Release(key(1))
				}
				if own := key(100 + 16*n + g); f.Acquire(own, 1) {
					f.Release(own)
				}
			}
		})
	}
	wg.Wait()
	if most.Load() > limit || passed.Load() < limit {
		t.Errorf("at most %d in flight, limit %d; %d passed", most.Load(), limit, passed.Load())
	}
	if f.Len() != 0 {
		t.Errorf("%d keys left", f.Len())
	}
}

func TestInFlightBound(t *testing.T) {
	f := NewInFlight()
	const keys = 2 * maxShards * maxInFlightKeys
	refused := 0
	for n := range keys {
		if !f.Acquire(key(n), 1) {
			refused++
		}
	}
	if f.Len() > maxShards*maxInFlightKeys || refused != keys-f.Len() {
		t.Errorf("%d keys held, %d refused", f.Len(), refused)
	}
}

func BenchmarkInFlight(b *testing.B) {
	f := NewInFlight()
	var next atomic.Int64
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		k := key(int(next.Add(1)))
		for pb.Next() {
			f.Acquire(k, 10)
			f.Release(k)
		}
	})
}
