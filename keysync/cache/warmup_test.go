package cache

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// server is a source that does a number of reads at a time, as a real one does, and knows the
// digests up to keys.
type server struct {
	keys  map[keysync.Digest]bool
	slots chan struct{}
	takes time.Duration // a read in a slot
	away  time.Duration // the way there and back
	down  atomic.Bool

	mu    sync.Mutex
	busy  int
	most  int         // reads at the same time
	times []time.Time // of all reads
}

func newServer(keys, slots int, takes, away time.Duration) *server {
	s := &server{keys: make(map[keysync.Digest]bool), slots: make(chan struct{}, slots), takes: takes, away: away}
	for i := range keys {
		s.keys[sourcetest.Digest(i)] = true
	}
	return s
}

// Lookup waits for a slot.
func (s *server) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	s.count(1)
	defer s.count(-1)
	if err := background.Sleep(ctx, s.away); err != nil {
		return nil, err
	}
	if s.down.Load() {
		return nil, errDown
	}
	done := make(chan struct{})
	go func() { // also if nobody waits for it any more
		s.slots <- struct{}{}
		time.Sleep(s.takes)
		<-s.slots
		close(done)
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-done:
	}
	if !s.keys[d] {
		return nil, keysync.ErrUnknown
	}
	return &keysync.Record{KeyID: "k"}, nil
}

func (s *server) count(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy += n; n > 0 {
		s.times = append(s.times, time.Now())
		s.most = max(s.most, s.busy)
	}
}

// reads returns how many reads there were from then to then.
func (s *server) reads(from, to time.Time) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := int64(0)
	for _, at := range s.times {
		if !at.Before(from) && at.Before(to) {
			n++
		}
	}
	return n
}

// traffic looks up so many digests per second, and returns for how many the source could not
// say, by digest.
func traffic(t *testing.T, c *Cache, perSecond int, during time.Duration, pick func() keysync.Digest) map[keysync.Digest]int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused := make(map[keysync.Digest]int)
	for range int(during.Seconds() * float64(perSecond)) {
		d := pick()
		wg.Go(func() {
			if _, out, _ := c.Get(t.Context(), d); out == keysync.OutcomeError {
				mu.Lock()
				defer mu.Unlock()
				refused[d]++
			}
		})
		time.Sleep(time.Second / time.Duration(perSecond))
	}
	wg.Wait()
	return refused
}

func oneOf(keys int) func() keysync.Digest {
	return func() keysync.Digest { return sourcetest.Digest(rand.N(keys)) }
}

// neverTheSame gives digests that no server knows.
func neverTheSame() func() keysync.Digest {
	i := 1 << 20
	return func() keysync.Digest { i++; return sourcetest.Digest(i) }
}

// An empty cache before a source that is well refuses nobody, whatever has made it empty: thousands
// of keys in use at 1,000 requests per second, with a cap of 200 reads. When it is warm the cap is
// there again.
func TestCacheFillsAsFastAsTheSourceAnswers(t *testing.T) {
	const perSecond = 1000
	keys := drill.Size(2000, 10_000)
	for name, tt := range map[string]struct {
		slots       int
		takes, away time.Duration
	}{
		"as on two cores":    {16, 6 * time.Millisecond, 0},
		"one at a time":      {1, 900 * time.Microsecond, 0},
		"in the next room":   {16, 6 * time.Millisecond, 5 * time.Millisecond},
		"in another country": {64, 5 * time.Millisecond, 40 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(keys, tt.slots, tt.takes, tt.away)
				c := newTestCache(t, s, Options{Unknown: time.Millisecond})
				for _, cold := range []struct {
					why  string
					make func()
				}{
					{"new", func() {}},
					{"purged", func() { c.PurgeAll() }},
					{"unused for longer than records are kept", func() { time.Sleep(3 * time.Hour) }},
				} {
					cold.make()
					began := time.Now()
					refused := traffic(t, c, perSecond, drill.Size(6*time.Second, 30*time.Second), oneOf(keys))
					if len(refused) > 0 {
						t.Errorf("%s: %d keys were refused", cold.why, len(refused))
					}
					if n := s.reads(began, time.Now()); n > int64(keys) {
						t.Errorf("%s: %d reads of %d keys", cold.why, n, keys)
					}
				}
				if s.most > maxWidth+200/4+1 { // under the cap there are those of the burst
					t.Errorf("%d reads at the same time", s.most)
				}
				traffic(t, c, 10, 2*time.Minute, oneOf(keys))
				began := time.Now()
				traffic(t, c, perSecond, 10*time.Second, neverTheSame())
				checkCap(t, s.reads(began, time.Now()), time.Since(began)+time.Second, 200)
			})
		})
	}
}

// A flood of random keys while the cache is empty does not keep good keys out: as long as the
// source can answer them all hardly any is refused, and otherwise none again and again.
func TestCacheColdFlood(t *testing.T) {
	const keys = 100
	during := drill.Size(4*time.Second, 12*time.Second)
	for _, tt := range []struct{ flood, refused, each int }{
		{2000, 0, 0},
		{3000, 30, 2}, // the source does 2,667
		{10_000, keys + 20, 2},
	} {
		t.Run(fmt.Sprint(tt.flood, " per second"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newTestCache(t, newServer(keys, 16, 6*time.Millisecond, 0), Options{})
				var wg sync.WaitGroup
				wg.Go(func() { traffic(t, c, tt.flood, during, neverTheSame()) })
				refused := traffic(t, c, 33, during, oneOf(keys))
				wg.Wait()
				sum, most := 0, 0
				for _, n := range refused {
					sum, most = sum+n, max(most, n)
				}
				t.Logf("%d of %d good look-ups were refused, up to %d of one key", sum, 33*int(during.Seconds()), most)
				if sum > tt.refused || most > tt.each {
					t.Errorf("want at most %d, and %d of one key", tt.refused, tt.each)
				}
			})
		})
	}
}

// A source that fails is asked no more often than the cap allows, though the cache is empty, and
// is used in full again when it is back.
func TestCacheFillingStopsWhileTheSourceFails(t *testing.T) {
	const keys = 100_000
	synctest.Test(t, func(t *testing.T) {
		s := newServer(keys, 16, 6*time.Millisecond, 0)
		c := newTestCache(t, s, Options{})
		next := 0
		each := func() keysync.Digest { next++; return sourcetest.Digest(next) } // all of them new
		if refused := traffic(t, c, 1000, 2*time.Second, each); len(refused) > 0 {
			t.Errorf("%d refused before", len(refused))
		}
		s.down.Store(true)
		time.Sleep(time.Second)
		began := time.Now()
		traffic(t, c, 1000, 10*time.Second, each)
		checkCap(t, s.reads(began, time.Now()), time.Since(began)+time.Second, 200)
		s.down.Store(false)
		traffic(t, c, 1000, time.Second, each)
		if refused := traffic(t, c, 1000, 2*time.Second, each); len(refused) > 0 {
			t.Errorf("%d refused after", len(refused))
		}
	})
}

// A cache with room for a tenth of what is in use is never warm. It does not take more from the
// source for that than the cap allows.
func TestCacheTooSmallKeepsToTheCap(t *testing.T) {
	const keys = 10_000
	synctest.Test(t, func(t *testing.T) {
		s := newServer(keys, 16, 6*time.Millisecond, 0)
		c := newTestCache(t, s, Options{Size: keys / 10})
		traffic(t, c, 1000, 30*time.Second, oneOf(keys))
		began := time.Now()
		traffic(t, c, 1000, 30*time.Second, oneOf(keys))
		checkCap(t, s.reads(began, time.Now()), time.Since(began)+time.Second, 200)
	})
}

// Those who come again have their turn before those who come for the first time, and among each
// other in order of arrival.
func TestTurnsInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(Options{Size: 100, Reads: 2}.withDefaults())
		b.allowance, b.spare = 0, 1e9 // one turn at a time, for certain
		b.line.turnedAway.add(sourcetest.Digest(1), time.Now())
		var got []int
		var mu sync.Mutex
		var wg sync.WaitGroup
		ask := func(i int) *turn {
			turn := b.ask(sourcetest.Digest(i))
			if turn == nil {
				t.Fatalf("%d was turned away", i)
			}
			return turn
		}
		b.timeout = time.Hour
		wait := func(i int) *turn {
			turn := ask(i)
			wg.Go(func() {
				if err := b.await(t.Context(), turn); err == nil {
					mu.Lock()
					defer mu.Unlock()
					got = append(got, i)
				}
			})
			synctest.Wait()
			return turn
		}
		<-ask(100).ready // what is saved up
		wait(4)
		second := wait(3)
		wait(5)
		wait(1)
		b.again(second)
		wg.Wait()
		if want := []int{1, 3, 4, 5}; !slices.Equal(got, want) {
			t.Errorf("turns %v, want %v", got, want)
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.timer != nil || b.line.again.Len()+b.line.first.Len() != 0 {
			t.Error("somebody is left in line")
		}
	})
}

// As many wait as can have their turn in time; who is turned away has not waited for nothing.
func TestTurnsPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(Options{Size: 100, Reads: 100}.withDefaults())
		b.allowance = 0
		n := 0
		for i := range 1000 {
			if b.ask(sourcetest.Digest(i)) != nil {
				n++
			}
		}
		// 100 per second for three quarters of 500 ms, and what is saved up.
		if n < 37+12 || n > 37+24+1 {
			t.Errorf("%d have a turn or a place", n)
		}
		b.mu.Lock()
		if !b.line.turnedAway.has(sourcetest.Digest(999), time.Now()) || b.line.turnedAway.has(sourcetest.Digest(0), time.Now()) {
			t.Error("it is not remembered who was turned away")
		}
		b.mu.Unlock()
		time.Sleep(time.Second)
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.line.first.Len() != 0 {
			t.Errorf("%d are left in line", b.line.first.Len())
		}
	})
}

func TestRecently(t *testing.T) {
	var r recently
	at := time.Now()
	for i := range 100 {
		r.add(sourcetest.Digest(i), at)
	}
	for _, tt := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {recentFor - 1, true}, {recentFor, true}, {2*recentFor - 1, true}, {2 * recentFor, false}} {
		for i := range 100 {
			if got := r.has(sourcetest.Digest(i), at.Add(tt.after)); got != tt.want {
				t.Fatalf("after %v: %t", tt.after, got)
			}
		}
	}
	r = recently{}
	r.add(sourcetest.Digest(1), at)
	if r.has(sourcetest.Digest(2), at) {
		t.Error("one digest is taken for another")
	}
	r.add(sourcetest.Digest(2), at.Add(5*recentFor))
	if r.has(sourcetest.Digest(1), at.Add(5*recentFor)) {
		t.Error("remembered for too long")
	}
}

// A source that is asked for more than it can do goes on doing what it can: nobody waits for
// reads that come too late.
func TestCacheOverloadedSource(t *testing.T) {
	const keys, canDo, seconds = 100_000, 100, 20
	synctest.Test(t, func(t *testing.T) {
		c := newTestCache(t, newServer(keys, 1, time.Second/canDo, 0), Options{Reads: 20})
		traffic(t, c, 10*canDo, seconds*time.Second, oneOf(keys))
		if n := c.Stats().Records; n < canDo*seconds*8/10 {
			t.Errorf("%d records were read in time, the source could have read %d", n, canDo*seconds)
		}
	})
}
