package vault

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// soakEnv says how long TestSoak runs, such as 5m, if not for a minute.
const soakEnv = "INGEST_AUTH_SOAK"

// A gateway under load, with keys that change, a flood of random keys, and a
// server that is restarted again and again, needs no more memory and no more
// goroutines as time goes by.
func TestSoak(t *testing.T) {
	drill.Only(t)
	during, err := time.ParseDuration(os.Getenv(soakEnv))
	if err != nil {
		during = time.Minute
	}
	s := vaulttest.StartOnDisk(t)
	v, err := New(rootOptions(s), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if err := v.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	const live = 500
	entries := make([]keysync.Entry, live)
	for i := range entries {
		entries[i] = sourcetest.Entry(i)
	}
	sourcetest.MustCreate(t, v, entries...)
	c := newTestCache(t, v, cache.Options{Size: 2 * live, Fresh: 2 * time.Second, Outage: 20 * time.Second, Unknown: time.Second})
	watch(t, v, c, feedPoll)

	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	var wg sync.WaitGroup
	defer wg.Wait()
	every := func(d time.Duration, do func()) {
		wg.Go(func() {
			for background.Sleep(ctx, d) == nil {
				do()
			}
		})
	}
	for range 4 {
		every(time.Millisecond, func() { soakLookUp(t, c, rand.N(live)) })
	}
	every(time.Millisecond, func() { soakLookUp(t, c, live+rand.N(3000)) })
	every(100*time.Millisecond, func() {
		_, _ = v.Update(ctx, sourcetest.Digest(rand.N(live)), func(r *keysync.Record) error { r.Env = "changed"; return nil })
	})
	every(during/10, s.Restart)
	every(5*time.Second, func() {
		if _, err := c.Snapshot(snapshotKey); err != nil {
			t.Error(err)
		}
	})
	checkConstant(ctx, t, during)
}

func soakLookUp(t *testing.T, c *cache.Cache, i int) {
	_, out, err := c.Get(context.Background(), sourcetest.Digest(i))
	if i < 500 && out == keysync.OutcomeUnknown || i >= 500 && err == nil || err != nil && !errors.Is(err, keysync.ErrUnknown) && !errors.Is(err, keysync.ErrUnavailable) {
		t.Errorf("key %d: %v, %v", i, out, err)
	}
}

// maxGoroutines allows for all the reads that can be under way: the cap times
// the timeout, each with the goroutines of its connection.
const maxGoroutines = 4*200/2 + 50

// checkConstant compares the heap in the second quarter of the time with that in
// the last.
func checkConstant(ctx context.Context, t *testing.T, during time.Duration) {
	began := time.Now()
	var heaps, goroutines [4]int64
	for background.Sleep(ctx, during/100) == nil {
		quarter := min(3, int(4*time.Since(began)/during))
		heaps[quarter] = max(heaps[quarter], sourcetest.Heap())
		goroutines[quarter] = max(goroutines[quarter], int64(runtime.NumGoroutine()))
	}
	t.Logf("heap at most, by quarter: %d KB; goroutines at most: %d", [4]int64{heaps[0] >> 10, heaps[1] >> 10, heaps[2] >> 10, heaps[3] >> 10}, goroutines)
	const noise = 1 << 20 // of the collector; what leaks a little with each look-up is far more
	if heaps[3] > heaps[1]*5/4+noise {
		t.Errorf("the heap grew from %d to %d bytes", heaps[1], heaps[3])
	}
	if most := max(goroutines[1], goroutines[3]); most > maxGoroutines {
		t.Errorf("%d goroutines", most)
	}
}
