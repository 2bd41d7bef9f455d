package cache

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// fakeSource answers as it is told, and counts.
type fakeSource struct {
	mu     sync.Mutex
	err    error         // what every read fails with
	delay  time.Duration // how long a read takes
	absent map[keysync.Digest]bool
	reads  map[keysync.Digest]int
	total  atomic.Int64
}

var errDown = fmt.Errorf("%w: the fake is down", keysync.ErrUnavailable)

func newFakeSource() *fakeSource {
	return &fakeSource{absent: map[keysync.Digest]bool{}, reads: map[keysync.Digest]int{}}
}

// Lookup returns a record whose key ID tells how often the digest was read.
func (f *fakeSource) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	f.total.Add(1)
	f.mu.Lock()
	f.reads[d]++
	n, err, delay := f.reads[d], f.err, f.delay
	if f.absent[d] && err == nil {
		err = keysync.ErrUnknown
	}
	f.mu.Unlock()
	if background.Sleep(ctx, delay) != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, err
	}
	return &keysync.Record{KeyID: fmt.Sprintf("read_%d", n)}, nil
}

func (f *fakeSource) set(err error, delay time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.delay = err, delay
}

func (f *fakeSource) setAbsent(d keysync.Digest, absent bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.absent[d] = absent
}

func newTestCache(t testing.TB, src keysync.Source, opts Options) *Cache {
	t.Helper()
	c, err := New(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// bubble runs a test on a fake clock, with a cache in front of a fake source.
func bubble(t *testing.T, opts Options, test func(t *testing.T, c *Cache, src *fakeSource)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource()
		test(t, newTestCache(t, src, opts), src)
	})
}

func TestCacheLife(t *testing.T) {
	const fresh, outage = 5 * time.Minute, time.Hour
	hang := 10 * time.Second // longer than the timeout
	tests := []struct {
		name  string
		age   time.Duration
		err   error
		delay time.Duration
		want  keysync.Outcome
		keyID string
		takes time.Duration
		then  keysync.Outcome // of a second look-up once all is quiet
		newID string
	}{
		{"young, up", time.Minute, nil, 0, keysync.OutcomeHit, "read_1", 0, keysync.OutcomeHit, "read_1"},
		{"young, down", time.Minute, errDown, 0, keysync.OutcomeHit, "read_1", 0, keysync.OutcomeHit, "read_1"},
		{"about to cease to be fresh, up", fresh - 1, nil, 0, keysync.OutcomeHit, "read_1", 0, keysync.OutcomeHit, "read_2"},
		{"about to cease to be fresh, down", fresh - 1, errDown, 0, keysync.OutcomeHit, "read_1", 0, keysync.OutcomeStale, "read_1"},
		{"stale, up", fresh, nil, 0, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeHit, "read_2"},
		{"stale, slow", fresh, nil, 400 * time.Millisecond, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeHit, "read_2"},
		{"stale, down", fresh, errDown, 0, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeStale, "read_1"},
		{"stale, hanging", fresh, nil, hang, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeStale, "read_1"},
		{"longer stale, up", 2*fresh - 1, nil, 0, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeHit, "read_2"},
		{"old, up", 2 * fresh, nil, 0, keysync.OutcomeMiss, "read_2", 0, keysync.OutcomeHit, "read_2"},
		{"old, slow", 2 * fresh, nil, 400 * time.Millisecond, keysync.OutcomeMiss, "read_2", 400 * time.Millisecond, keysync.OutcomeHit, "read_2"},
		{"old, down", 2 * fresh, errDown, 0, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeStale, "read_1"},
		{"old, hanging", 2 * fresh, nil, hang, keysync.OutcomeStale, "read_1", 500 * time.Millisecond, keysync.OutcomeStale, "read_1"},
		{"old, error of no class", 2 * fresh, errors.New("strange"), 0, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeStale, "read_1"},
		{"just under the ceiling, down", outage - 1, errDown, 0, keysync.OutcomeStale, "read_1", 0, keysync.OutcomeError, ""},
		{"just under the ceiling, up", outage - 1, nil, 0, keysync.OutcomeMiss, "read_2", 0, keysync.OutcomeHit, "read_2"},
		{"at the ceiling, down", outage, errDown, 0, keysync.OutcomeError, "", 0, keysync.OutcomeError, ""},
		{"at the ceiling, hanging", outage, nil, hang, keysync.OutcomeError, "", 500 * time.Millisecond, keysync.OutcomeError, ""},
		{"at the ceiling, up", outage, nil, 0, keysync.OutcomeMiss, "read_2", 0, keysync.OutcomeHit, "read_2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Options{Fresh: fresh, Outage: outage}, func(t *testing.T, c *Cache, src *fakeSource) {
				d := sourcetest.Digest(1)
				sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1")
				time.Sleep(tt.age)
				src.set(tt.err, tt.delay)
				began := time.Now()
				sourcetest.Expect(t, c, d, tt.want, tt.keyID)
				if took := time.Since(began); took != tt.takes {
					t.Errorf("took %v, want %v", took, tt.takes)
				}
				time.Sleep(time.Second)
				synctest.Wait()
				sourcetest.Expect(t, c, d, tt.then, tt.newID)
			})
		})
	}
}

// Ages count from the beginning of a read, and failed reads do not change them.
func TestCacheCeilingCountsFromTheRead(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		src.set(nil, 400*time.Millisecond)
		began := time.Now()
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1")
		src.set(errDown, 0)
		for time.Since(began) < time.Hour {
			rec, out, err := c.Get(t.Context(), d)
			if err != nil || rec.KeyID != "read_1" || out != keysync.OutcomeHit && out != keysync.OutcomeStale {
				t.Fatalf("after %v: %v, %v", time.Since(began), out, err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		sourcetest.Expect(t, c, d, keysync.OutcomeError, "")
	})
}

// A record in use is read again in time: no look-up ever waits.
func TestCacheRefreshesWhatIsInUse(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		src.set(nil, 300*time.Millisecond)
		if _, _, err := c.Get(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for time.Since(began) < 5*time.Hour {
			time.Sleep(7 * time.Second)
			if _, out, err := c.Get(t.Context(), d); out != keysync.OutcomeHit || err != nil {
				t.Fatalf("after %v: %v, %v", time.Since(began), out, err)
			}
		}
		// Every 3.5 to 4.5 minutes.
		if n := src.total.Load(); n < 60 || n > 90 {
			t.Errorf("%d reads in five hours", n)
		}
	})
}

// Records that were read together are not read again together.
func TestCacheSpreadsRefreshes(t *testing.T) {
	bubble(t, Options{Reads: 100_000}, func(t *testing.T, c *Cache, src *fakeSource) {
		const n = 1000
		for i := range n {
			sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeMiss, "read_1")
		}
		most, last := int64(0), src.total.Load()
		for range 5 * 60 {
			time.Sleep(time.Second)
			for i := range n {
				if _, out, _ := c.Get(t.Context(), sourcetest.Digest(i)); out != keysync.OutcomeHit {
					t.Fatal(out)
				}
			}
			synctest.Wait()
			most, last = max(most, src.total.Load()-last), src.total.Load()
		}
		if total := src.total.Load(); total < 2*n || most > n/20 {
			t.Errorf("%d reads, up to %d in one second", total, most)
		}
	})
}

func TestCacheUnknown(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		src.setAbsent(d, true)
		sourcetest.Expect(t, c, d, keysync.OutcomeUnknown, "")
		src.setAbsent(d, false)
		time.Sleep(10*time.Second - 1)
		sourcetest.Expect(t, c, d, keysync.OutcomeUnknown, "")
		if n := src.total.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
		time.Sleep(time.Nanosecond)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_2")

		// A key that ceases to exist.
		src.setAbsent(d, true)
		time.Sleep(5 * time.Minute)
		sourcetest.Expect(t, c, d, keysync.OutcomeStale, "read_2")
		synctest.Wait()
		sourcetest.Expect(t, c, d, keysync.OutcomeUnknown, "")
		src.set(errDown, 0)
		sourcetest.Expect(t, c, d, keysync.OutcomeUnknown, "")
		time.Sleep(10 * time.Second)
		sourcetest.Expect(t, c, d, keysync.OutcomeError, "")
	})
}

// A record that has become malformed is not served any more, and is no sign of
// an outage.
func TestCacheUnusableRecord(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d, other := sourcetest.Digest(1), sourcetest.Digest(2)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1")
		sourcetest.Expect(t, c, other, keysync.OutcomeMiss, "read_1")
		time.Sleep(10 * time.Minute)
		src.set(fmt.Errorf("%w: test", keysync.ErrUnusable), 0)
		sourcetest.Expect(t, c, d, keysync.OutcomeError, "")
		if _, _, err := c.Get(t.Context(), d); !errors.Is(err, keysync.ErrUnusable) {
			t.Errorf("error %v", err)
		}
		if n := src.total.Load(); n != 3 {
			t.Errorf("%d reads, want 3: the malformed record is remembered", n)
		}
		src.set(nil, 0)
		sourcetest.Expect(t, c, other, keysync.OutcomeMiss, "read_2")
		time.Sleep(10 * time.Second)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_3")
	})
}

func TestCacheOneReadForManyLookups(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		src.set(nil, 100*time.Millisecond)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "read_1") })
		}
		wg.Wait()
		if n := src.total.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
	})
}

// One look-up that gives up takes nothing from the others.
func TestCacheLookupGivesUp(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		src.set(nil, 300*time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, out, err := c.Get(ctx, sourcetest.Digest(1))
		if out != keysync.OutcomeError || !errors.Is(err, keysync.ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("outcome %v, error %v", out, err)
		}
		if took := time.Since(began); took != 100*time.Millisecond {
			t.Errorf("took %v", took)
		}
		sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "read_1")
	})
}

// While the source hangs, only the first look-up of a known key waits.
func TestCacheHangingSourceHoldsUpOneLookup(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		for i := range 20 {
			sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeMiss, "read_1")
		}
		time.Sleep(20 * time.Minute)
		src.set(nil, time.Minute)
		for i := range 20 {
			began := time.Now()
			sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeStale, "read_1")
			if took := time.Since(began); i > 0 && took != 0 {
				t.Fatalf("look-up %d took %v", i, took)
			}
		}
		src.set(nil, 0)
		time.Sleep(failingFor + time.Second)
		synctest.Wait()
		sourcetest.Expect(t, c, sourcetest.Digest(0), keysync.OutcomeMiss, "read_3")
	})
}

func TestCacheForget(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		known, unknown, never := sourcetest.Digest(1), sourcetest.Digest(2), sourcetest.Digest(3)
		src.setAbsent(unknown, true)
		sourcetest.Expect(t, c, known, keysync.OutcomeMiss, "read_1")
		sourcetest.Expect(t, c, unknown, keysync.OutcomeUnknown, "")
		src.setAbsent(unknown, false)
		c.Forget(known, unknown, never)
		synctest.Wait()
		if n := src.reads[known]; n != 2 {
			t.Errorf("%d reads of the known key, want 2: it is read again at once", n)
		}
		if n := src.reads[never]; n != 0 {
			t.Error("a key that was not in the cache was read")
		}
		sourcetest.Expect(t, c, known, keysync.OutcomeHit, "read_2")
		sourcetest.Expect(t, c, unknown, keysync.OutcomeMiss, "read_2")

		// What is forgotten is not served, come what may.
		src.set(errDown, 0)
		c.Forget(known)
		sourcetest.Expect(t, c, known, keysync.OutcomeError, "")
	})
}

// A read that began before a change says nothing about the time after it.
func TestCacheForgetDuringARead(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		src.set(nil, 200*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1") })
		time.Sleep(100 * time.Millisecond)
		c.Forget(d)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_2")
		wg.Wait()
		sourcetest.Expect(t, c, d, keysync.OutcomeHit, "read_2")
	})
}

// The same when there is no read left to look again at once.
func TestCacheForgetDuringAReadOverTheCap(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		src.set(nil, 200*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1") })
		time.Sleep(100 * time.Millisecond)
		for c.budget.takeKnown() {
		}
		c.Forget(d)
		time.Sleep(150 * time.Millisecond)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_2")
		wg.Wait()
	})
}

// During an outage a record in use is tried again now and then, not each time.
func TestCacheTriesAgainNowAndThen(t *testing.T) {
	bubble(t, Options{Reads: 1_000_000}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1")
		time.Sleep(6 * time.Minute)
		src.set(errDown, 0)
		before := src.total.Load()
		for range 6000 {
			sourcetest.Expect(t, c, d, keysync.OutcomeStale, "read_1")
			time.Sleep(10 * time.Millisecond)
		}
		if n := src.total.Load() - before; n < 15 || n > 65 {
			t.Errorf("%d reads in a minute, want one about every two seconds", n)
		}
	})
}

// A look-up that was overtaken by a read has no reason to read again.
func TestCacheLookupOvertakenByARead(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1")
		if _, out, err := c.getSlowly(t.Context(), c.shard(d), d); out != keysync.OutcomeHit || err != nil {
			t.Errorf("outcome %v, error %v", out, err)
		}
		synctest.Wait()
		if n := src.total.Load(); n != 1 {
			t.Errorf("%d reads, want 1", n)
		}
	})
}

func TestCacheDoubt(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		a, b, unknown := sourcetest.Digest(1), sourcetest.Digest(2), sourcetest.Digest(3)
		src.setAbsent(unknown, true)
		sourcetest.Expect(t, c, a, keysync.OutcomeMiss, "read_1")
		sourcetest.Expect(t, c, b, keysync.OutcomeMiss, "read_1")
		sourcetest.Expect(t, c, unknown, keysync.OutcomeUnknown, "")
		c.Doubt()
		if n := src.total.Load(); n != 3 {
			t.Errorf("%d reads, want 3: nothing is read before it is used", n)
		}
		time.Sleep(time.Nanosecond)
		sourcetest.Expect(t, c, a, keysync.OutcomeMiss, "read_2")
		sourcetest.Expect(t, c, a, keysync.OutcomeHit, "read_2")
		src.setAbsent(unknown, false)
		sourcetest.Expect(t, c, unknown, keysync.OutcomeMiss, "read_2")
		src.set(errDown, 0)
		sourcetest.Expect(t, c, b, keysync.OutcomeStale, "read_1")
		time.Sleep(time.Hour)
		sourcetest.Expect(t, c, b, keysync.OutcomeError, "")
	})
}

// A look-up after a doubt does not take the word of a read from before it.
func TestCacheDoubtDuringARead(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, c *Cache, src *fakeSource) {
		d := sourcetest.Digest(1)
		src.set(nil, 200*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1") })
		time.Sleep(100 * time.Millisecond)
		c.Doubt()
		time.Sleep(time.Nanosecond)
		sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_2")
		wg.Wait()
		sourcetest.Expect(t, c, d, keysync.OutcomeHit, "read_2")
	})
}

// When all records are doubted at once, reads stay under the cap and everybody
// is served.
func TestCacheDoubtIsSpreadOut(t *testing.T) {
	bubble(t, Options{Reads: 200}, func(t *testing.T, c *Cache, src *fakeSource) {
		const n = 2000
		for i := range n {
			for {
				if _, out, _ := c.Get(t.Context(), sourcetest.Digest(i)); out == keysync.OutcomeMiss {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		src.set(nil, time.Millisecond)
		c.Doubt()
		time.Sleep(time.Second)
		began, before := time.Now(), src.total.Load()
		for time.Since(began) < 30*time.Second {
			for i := range n {
				if _, out, err := c.Get(t.Context(), sourcetest.Digest(i)); err != nil {
					t.Fatal(out, err)
				}
			}
			time.Sleep(500 * time.Millisecond)
			checkCap(t, src.total.Load()-before, time.Since(began), 200)
		}
		for i := range n {
			sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeHit, "read_2")
		}
	})
}

// checkCap allows for what the budget had saved up.
func checkCap(t *testing.T, reads int64, in time.Duration, perSecond int) {
	t.Helper()
	if most := float64(perSecond)*in.Seconds() + float64(perSecond)/4 + 1; float64(reads) > most {
		t.Fatalf("%d reads in %v with a cap of %d/s", reads, in, perSecond)
	}
}

func TestCacheFloodOfRandomKeys(t *testing.T) {
	bubble(t, Options{Size: 1000, Reads: 200}, func(t *testing.T, c *Cache, src *fakeSource) {
		const live = 500
		for i := range live {
			for {
				if _, _, err := c.Get(t.Context(), sourcetest.Digest(i)); err == nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
		time.Sleep(2 * time.Minute) // it is warm
		src.set(nil, time.Millisecond)
		began, before := time.Now(), src.total.Load()
		var refused, unknown atomic.Int64
		for round := range 30 {
			var wg sync.WaitGroup
			for i := range 1000 {
				d := sourcetest.Digest(1_000_000 + round*1000 + i)
				src.setAbsent(d, true)
				wg.Go(func() {
					_, out, err := c.Get(t.Context(), d)
					switch {
					case out == keysync.OutcomeUnknown && errors.Is(err, keysync.ErrUnknown):
						unknown.Add(1)
					case out == keysync.OutcomeError && errors.Is(err, keysync.ErrUnavailable):
						refused.Add(1)
					default:
						t.Errorf("outcome %v, error %v", out, err)
					}
				})
			}
			time.Sleep(100 * time.Millisecond)
			for i := range live {
				if _, out, err := c.Get(t.Context(), sourcetest.Digest(i)); out != keysync.OutcomeHit {
					t.Fatalf("live key %d: %v, %v", i, out, err)
				}
			}
			wg.Wait()
		}
		took := time.Since(began)
		checkCap(t, src.total.Load()-before, took, 200)
		t.Logf("%d random keys in %v: %d reads, %d unknown, %d refused", 30_000, took, src.total.Load()-before, unknown.Load(), refused.Load())
		if unknown.Load() < 500 || refused.Load() == 0 {
			t.Error("the flood was not answered as expected")
		}
		if st := c.Stats(); st.Records != live || st.RefusedReads != uint64(refused.Load()) {
			t.Errorf("stats %+v", st)
		}
	})
}

// A flood of random keys leaves half of the reads to known keys that are to be
// read again, and the other way round.
func TestCacheReadsAreShared(t *testing.T) {
	tests := []struct {
		name        string
		known, cold int // look-ups per second
		wantKnown   int // reads per second at least
		wantCold    int
	}{
		{"both flood", 1000, 1000, 90, 90},
		{"known alone", 1000, 0, 180, 0},
		{"cold alone", 0, 1000, 0, 180},
		{"few known", 50, 1000, 45, 90},
		{"few cold", 1000, 50, 90, 45},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, Options{Size: 100_000, Reads: 200}, func(t *testing.T, c *Cache, src *fakeSource) {
				const seconds, known = 10, 10_000
				for i := range known {
					c.store(c.shard(sourcetest.Digest(i)), sourcetest.Digest(i), &keysync.Record{KeyID: "read_0"}, c.now())
				}
				time.Sleep(3 * time.Minute) // it is warm
				c.Doubt()
				time.Sleep(time.Nanosecond)
				next, wg := 0, sync.WaitGroup{}
				get := func(i int) { wg.Go(func() { _, _, _ = c.Get(t.Context(), sourcetest.Digest(i)) }) }
				for step := range seconds * 50 {
					for range tt.known / 50 {
						get(next % known)
						next++
					}
					for i := range tt.cold / 50 {
						d := sourcetest.Digest(known + step*1000 + i)
						src.setAbsent(d, true)
						wg.Go(func() { _, _, _ = c.Get(t.Context(), d) })
					}
					time.Sleep(20 * time.Millisecond)
				}
				wg.Wait()
				var knownReads, coldReads int
				for i := range known {
					knownReads += src.reads[sourcetest.Digest(i)]
				}
				coldReads = int(src.total.Load()) - knownReads
				t.Logf("reads in %d s: %d known, %d cold", seconds, knownReads, coldReads)
				if knownReads < tt.wantKnown*seconds || coldReads < tt.wantCold*seconds {
					t.Errorf("reads in %d s: %d known, %d cold; want %d and %d per second", seconds, knownReads, coldReads, tt.wantKnown, tt.wantCold)
				}
				checkCap(t, src.total.Load(), seconds*time.Second+c.opts.Timeout, 200)
			})
		})
	}
}

func TestCacheSize(t *testing.T) {
	for _, size := range []int{1, 10, 1000} {
		bubble(t, Options{Size: size, Reads: 1_000_000}, func(t *testing.T, c *Cache, src *fakeSource) {
			for i := range 3 * size {
				sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeMiss, "read_1")
				src.setAbsent(sourcetest.Digest(-i-1), true)
				sourcetest.Expect(t, c, sourcetest.Digest(-i-1), keysync.OutcomeUnknown, "")
				sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeHit, "read_1")
			}
			if n := c.Stats().Records; n > size+len(c.shards) || n < size/2 {
				t.Errorf("%d records kept, want about %d", n, size)
			}
		})
	}
}

// What is in use stays, what was not used the longest goes, though in a large cache only the
// first use of a second or so counts.
func TestCacheEvictsTheLeastRecentlyUsed(t *testing.T) {
	for reads, pause := range map[int]time.Duration{200: 0, 8: 2 * time.Second} {
		evictsTheLeastRecentlyUsed(t, reads, pause)
	}
}

func evictsTheLeastRecentlyUsed(t *testing.T, reads int, pause time.Duration) {
	const size = 64 // one shard
	bubble(t, Options{Size: size, Reads: reads, Timeout: time.Hour}, func(t *testing.T, c *Cache, _ *fakeSource) {
		for i := range size {
			sourcetest.Expect(t, c, sourcetest.Digest(i), keysync.OutcomeMiss, "read_1")
		}
		time.Sleep(pause)
		for range 2 {
			sourcetest.Expect(t, c, sourcetest.Digest(0), keysync.OutcomeHit, "read_1")
		}
		for i := range size - 1 {
			sourcetest.Expect(t, c, sourcetest.Digest(size+i), keysync.OutcomeMiss, "read_1")
		}
		sourcetest.Expect(t, c, sourcetest.Digest(0), keysync.OutcomeHit, "read_1")
		sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "read_2")
	})
}

func TestCacheClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource()
		c, err := New(src, Options{})
		if err != nil {
			t.Fatal(err)
		}
		sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "read_1")
		src.set(nil, 300*time.Millisecond)
		var wg sync.WaitGroup
		wg.Go(func() { sourcetest.Expect(t, c, sourcetest.Digest(2), keysync.OutcomeError, "") })
		time.Sleep(time.Millisecond)
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeHit, "read_1")
		sourcetest.Expect(t, c, sourcetest.Digest(3), keysync.OutcomeError, "")
		time.Sleep(time.Hour)
		sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeError, "")
		c.Forget(sourcetest.Digest(1))
	})
}

func TestCacheOptions(t *testing.T) {
	for _, opts := range []Options{
		{Size: -1},
		{Reads: -1},
		{Fresh: -1},
		{Unknown: -1},
		{Timeout: -1},
		{Fresh: 2 * time.Hour},
		{Outage: time.Minute},
	} {
		if _, err := New(newFakeSource(), opts); err == nil {
			t.Errorf("%+v accepted", opts)
		}
	}
	got := Options{}.withDefaults()
	want := Options{Size: 100_000, Fresh: 5 * time.Minute, Unknown: 10 * time.Second, Outage: time.Hour, Reads: 200, Timeout: 500 * time.Millisecond}
	if got != want {
		t.Errorf("defaults %+v, want %+v", got, want)
	}
}

func TestOutcomeNames(t *testing.T) {
	for o, want := range map[keysync.Outcome]string{
		keysync.OutcomeHit: "hit", keysync.OutcomeStale: "stale", keysync.OutcomeMiss: "miss", keysync.OutcomeUnknown: "unknown", keysync.OutcomeError: "error",
	} {
		if o.String() != want {
			t.Errorf("%d is %s, want %s", uint8(o), o, want)
		}
	}
}

// changingSource holds one record per digest that changes at known times, and
// is down at others.
type changingSource struct {
	start time.Time
	delay func() time.Duration
	down  func(at time.Duration) bool
}

// Lookup reads what is there half-way through the read.
func (s *changingSource) Lookup(ctx context.Context, _ keysync.Digest) (*keysync.Record, error) {
	delay := s.delay()
	if err := background.Sleep(ctx, delay/2); err != nil {
		return nil, err
	}
	at := time.Since(s.start)
	if err := background.Sleep(ctx, delay/2); err != nil {
		return nil, err
	}
	if s.down(at) {
		return nil, errDown
	}
	return &keysync.Record{KeyID: at.String()}, nil
}

// Whatever happens, no record is served that is older than the rules say: past
// the ceiling never, past twice fresh only if the source was down, and never
// one from before its digest was forgotten.
func TestCacheNeverServesWhatItMustNot(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { neverServes(t, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func neverServes(t *testing.T, r *rand.Rand) {
	opts := Options{Size: 64, Fresh: 10 * time.Second, Outage: time.Minute, Unknown: time.Second, Reads: 50, Timeout: 500 * time.Millisecond}
	outageEvery, outageFor := time.Duration(1+r.IntN(300))*time.Second, time.Duration(r.IntN(200))*time.Second
	src := &changingSource{
		start: time.Now(),
		delay: func() time.Duration { return rand.N(time.Second) },
		down:  func(at time.Duration) bool { return at%(outageEvery+outageFor) > outageEvery },
	}
	c := newTestCache(t, src, opts)
	var wg sync.WaitGroup
	var forgotten [40]atomic.Int64
	for i := range forgotten {
		forgotten[i].Store(int64(-time.Hour))
	}
	for range 8 {
		wg.Go(func() {
			for time.Since(src.start) < 10*time.Minute {
				time.Sleep(rand.N(2 * time.Second))
				i := rand.N(len(forgotten))
				before, began := forgotten[i].Load(), time.Since(src.start)
				if rand.N(30) == 0 {
					c.Forget(sourcetest.Digest(i))
					forgotten[i].Store(int64(began))
					continue
				}
				rec, out, err := c.Get(t.Context(), sourcetest.Digest(i))
				if err != nil {
					continue
				}
				at, err := time.ParseDuration(rec.KeyID)
				if err != nil {
					t.Error(err)
				}
				age := began - at
				switch {
				case age >= opts.Outage:
					t.Errorf("%v: a record of age %v was served past the ceiling", out, age)
				case out == keysync.OutcomeHit && age >= opts.Fresh:
					t.Errorf("a record of age %v was a hit", age)
				case int64(at) < before:
					t.Errorf("%v: a record from before it was forgotten was served", out)
				case out == keysync.OutcomeMiss && age > opts.Timeout:
					t.Errorf("a record of age %v was a miss", age)
				}
			}
		})
	}
	wg.Wait()
}

func TestCacheHitDoesNotAllocate(t *testing.T) {
	c := newTestCache(t, newFakeSource(), Options{})
	d, ctx := sourcetest.Digest(1), t.Context()
	sourcetest.Expect(t, c, d, keysync.OutcomeMiss, "read_1")
	if n := testing.AllocsPerRun(100, func() { _, _, _ = c.Get(ctx, d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCacheHit(b *testing.B) {
	c := newTestCache(b, newFakeSource(), Options{})
	const n = 10_000
	digests := make([]keysync.Digest, n)
	for i := range digests {
		digests[i] = sourcetest.Digest(i)
		c.store(c.shard(digests[i]), digests[i], &keysync.Record{}, c.now())
	}
	ctx := context.Background()
	b.Run("one key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _, _ = c.Get(ctx, digests[0])
		}
	})
	b.Run("many keys", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			_, _, _ = c.Get(ctx, digests[i%n])
		}
	})
	b.Run("many keys, all cores", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := rand.N(n); pb.Next(); i++ {
				_, _, _ = c.Get(ctx, digests[i%n])
			}
		})
	})
}
