package limit

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// take is Count for tests of Memory, which never fails.
func (m *Memory) take(t *testing.T, op Op, now time.Time, takes ...Take) (bool, []State) {
	t.Helper()
	states := make([]State, len(takes))
	fits, err := m.Count(context.Background(), op, now, takes, states)
	if err != nil {
		t.Fatal(err)
	}
	return fits, states
}

// key returns a counter key that differs for every n.
func key(n int) CounterKey {
	var k CounterKey
	binary.BigEndian.PutUint64(k[:], uint64(n))
	return k
}

func one(n int, limit int64, window time.Duration) Take {
	return Take{Key: key(n), Rate: Rate{limit, window}, Cost: 1}
}

func TestMemoryWindows(t *testing.T) {
	m := NewMemory(0)
	take := Take{Key: key(1), Rate: Rate{10, time.Minute}, Cost: 4}
	at := func(s string) time.Time {
		tm, err := time.Parse(time.RFC3339Nano, "2026-01-02T"+s+"Z")
		if err != nil {
			t.Fatal(err)
		}
		return tm
	}
	for _, step := range []struct {
		now       string
		op        Op
		cost      int64
		fits      bool
		remaining int64
		wait      time.Duration
	}{
		{"10:00:30", OpTake, 4, true, 6, 30 * time.Second},
		{"10:00:30", OpPeek, 6, true, 6, 30 * time.Second},
		{"10:00:31", OpTake, 4, true, 2, 29 * time.Second},
		{"10:00:32", OpPeek, 3, false, 2, 28 * time.Second},
		{"10:00:32", OpTake, 4, false, 2, 28 * time.Second},
		{"10:00:32", OpTake, 0, true, 2, 28 * time.Second},
		{"10:00:33", OpTake, 2, true, 0, 27 * time.Second},
		{"10:00:59.999", OpTake, 1, false, 0, time.Millisecond},
		{"10:00:59.999", OpTake, 0, true, 0, time.Millisecond},
		{"10:01:00", OpTake, 1, true, 9, 60 * time.Second},        // the next window
		{"10:01:00", OpTake, 11, false, 9, 60 * time.Second},      // more than the limit never fits
		{"10:00:59.999", OpTake, 1, true, 8, 60 * time.Second},    // late: counts in the window that has begun
		{"10:09:00", OpTake, 10, true, 0, 60 * time.Second},       // windows without requests
		{"10:09:00", OpAdd, 7, false, 0, 60 * time.Second},        // over the limit, and still counted
		{"10:09:00", OpAdd, math.MaxInt64, false, 0, time.Minute}, // saturates
		{"10:09:01", OpTake, 1, false, 0, 59 * time.Second},
		{"10:05:10", OpTake, 1, false, 0, 59 * time.Second}, // late by minutes
		{"10:10:00", OpTake, 1, true, 9, 60 * time.Second},
	} {
		now := at(step.now)
		take.Cost = step.cost
		fits, states := m.take(t, step.op, now, take)
		want := State{Limit: 10, Remaining: step.remaining, Wait: step.wait, Refused: !step.fits}
		want.Reset = states[0].Reset
		if diff := cmp.Diff(want, states[0]); diff != "" || fits != step.fits {
			t.Fatalf("%+v: fits %v, state (-want +got):\n%s", step, fits, diff)
		}
		if reset := states[0].Reset; reset.Unix()%60 != 0 || reset.Before(now) {
			t.Errorf("%+v: reset %v", step, reset)
		}
	}
}

func TestMemoryAllOrNone(t *testing.T) {
	m := NewMemory(0)
	now := time.Unix(1_700_000_000, 0)
	wide, narrow, other := one(1, 10, time.Minute), one(2, 2, time.Hour), one(3, 10, time.Minute)
	for range 2 {
		if fits, _ := m.take(t, OpTake, now, wide, narrow, other); !fits {
			t.Fatal("refused below the limits")
		}
	}
	fits, states := m.take(t, OpTake, now, wide, narrow, other)
	if fits || states[0].Refused || !states[1].Refused || states[2].Refused {
		t.Fatalf("fits %v, states %+v", fits, states)
	}
	for i, want := range []int64{8, 0, 8} {
		if states[i].Remaining != want {
			t.Errorf("state %d: remaining %d, want %d", i, states[i].Remaining, want)
		}
	}
	if _, states := m.take(t, OpPeek, now, wide, other); states[0].Remaining != 8 || states[1].Remaining != 8 {
		t.Errorf("a refused request cost something: %+v", states)
	}
}

// TestMemoryWindowIsPartOfTheCounter: a record that overrides a limit with
// another window counts apart, and cannot empty the counter of the others.
func TestMemoryWindowIsPartOfTheCounter(t *testing.T) {
	m := NewMemory(0)
	now := time.Unix(1_700_000_000, 0)
	passed := 0
	for range 5 {
		if fits, _ := m.take(t, OpTake, now, one(1, 3, time.Minute)); fits {
			passed++
		}
		m.take(t, OpTake, now, one(1, 100, time.Hour))
	}
	if passed != 3 {
		t.Errorf("%d passed in a minute, want 3", passed)
	}
	// Another N of the same window counts on.
	if fits, states := m.take(t, OpTake, now, one(1, 4, time.Minute)); !fits || states[0].Remaining != 0 {
		t.Errorf("raised limit: fits %v, %+v", fits, states)
	}
	if fits, states := m.take(t, OpTake, now, one(1, 2, time.Minute)); fits || states[0].Remaining != 0 {
		t.Errorf("lowered limit: fits %v, %+v", fits, states)
	}
}

// FuzzMemory runs a random history against a model that forgets nothing.
func FuzzMemory(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed, uint16(3000))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint16) {
		history(t, rand.New(rand.NewPCG(seed, 0)), int(steps))
	})
}

type modelKey struct {
	key    CounterKey
	window time.Duration
	end    int64
}

func history(t *testing.T, r *rand.Rand, steps int) {
	m, model := NewMemory(0), map[modelKey]int64{}
	now := time.UnixMilli(r.Int64N(1 << 41))
	windows := []time.Duration{time.Second, 10 * time.Second, time.Minute, 7 * time.Second}
	for range steps {
		now = now.Add(time.Duration(r.ExpFloat64() * float64(300*time.Millisecond)))
		op := Op(r.IntN(3))
		takes := make([]Take, 1+r.IntN(4))
		for i := range takes {
			n := 4*r.IntN(3) + i // distinct within the request
			takes[i] = Take{Key: key(n), Rate: Rate{1 + r.Int64N(20), windows[n%4]}, Cost: r.Int64N(4)}
		}
		want, wantStates := modelCount(model, op, now.UnixMilli(), takes)
		got, states := m.take(t, op, now, takes...)
		if !slices.Equal(states, wantStates) || got != want {
			t.Fatalf("op %d of %+v at %v: fits %v, want %v, states (-want +got):\n%s", op, takes, now, got, want, cmp.Diff(wantStates, states))
		}
	}
}

// modelCount is Count by definition.
func modelCount(model map[modelKey]int64, op Op, now int64, takes []Take) (bool, []State) {
	fits, states := true, make([]State, len(takes))
	keys := make([]modelKey, len(takes))
	for i, tk := range takes {
		w := tk.Rate.Window.Milliseconds()
		end := (now/w + 1) * w
		keys[i] = modelKey{tk.Key, tk.Rate.Window, end}
		over := model[keys[i]]+tk.Cost > tk.Rate.N
		states[i] = State{Limit: tk.Rate.N, Reset: time.UnixMilli(end), Wait: time.UnixMilli(end).Sub(time.UnixMilli(now)), Refused: over}
		fits = fits && !over
	}
	for i, tk := range takes {
		if op == OpAdd || op == OpTake && fits {
			model[keys[i]] += tk.Cost
		}
		states[i].Remaining = max(0, tk.Rate.N-model[keys[i]])
	}
	return fits, states
}

// TestMemoryConcurrent: among goroutines that compete for three counters in
// different orders, exactly as many requests pass as the tightest one allows.
func TestMemoryConcurrent(t *testing.T) {
	m := NewMemory(0)
	now := time.Unix(1_700_000_000, 0)
	const limit, goroutines = 3000, 8
	var passed atomic.Int64
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			states := make([]State, 3)
			takes := []Take{one(1, limit, time.Minute), one(2, limit+500, time.Hour), one(3, limit*10, time.Second)}
			for n := range limit {
				i := (g + n) % 3
				takes[0], takes[i] = takes[i], takes[0]
				if fits, _ := m.Count(context.Background(), OpTake, now, takes, states); fits {
					passed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if passed.Load() != limit {
		t.Errorf("%d passed, want %d", passed.Load(), limit)
	}
	_, states := m.take(t, OpPeek, now, one(1, limit, time.Minute), one(2, limit, time.Hour), one(3, limit, time.Second))
	for i, s := range states {
		if s.Remaining != 0 {
			t.Errorf("counter %d was not charged exactly: %+v", i, s)
		}
	}
}

// TestMemoryNeverMoreThanLimit displaces counters all the time, lets requests
// come late by up to a window, and adds up what each counter let through.
func TestMemoryNeverMoreThanLimit(t *testing.T) {
	for _, size := range []int{1, 8, 500} {
		r := rand.New(rand.NewPCG(1, uint64(size)))
		m, passed := NewMemory(size), map[modelKey]int64{}
		now := time.Unix(1_700_000_000, 0)
		const limit = 5
		for range 20_000 {
			now = now.Add(time.Duration(r.Int64N(int64(4 * time.Millisecond))))
			late := time.Duration(r.Int64N(int64(time.Second)))
			takes := make([]Take, 1+r.IntN(3))
			for i := range takes {
				n := 3*r.IntN(size) + i
				takes[i] = Take{Key: key(n), Rate: Rate{limit, []time.Duration{time.Second, 20 * time.Second}[n%2]}, Cost: r.Int64N(3)}
			}
			fits, states := m.take(t, OpTake, now.Add(-late), takes...)
			for i, tk := range takes {
				k := modelKey{tk.Key, tk.Rate.Window, states[i].Reset.UnixMilli()}
				if fits {
					passed[k] += tk.Cost
				}
				if passed[k] > limit {
					t.Fatalf("size %d: %d units passed in one window, limit %d", size, passed[k], limit)
				}
				if states[i].Remaining > limit-passed[k] {
					t.Fatalf("size %d: %d remaining after %d of %d", size, states[i].Remaining, passed[k], limit)
				}
			}
		}
		if n := m.Len(); n > size {
			t.Errorf("%d counters held, bound %d", n, size)
		}
	}
}

// TestMemoryFlood: a client that has used up its limit makes up keys to have
// its counter displaced. It must not come back to a fresh one, and strangers
// must be able to come in all the same.
func TestMemoryFlood(t *testing.T) {
	const size, limit = 2000, 20
	m := NewMemory(size)
	now := time.Unix(1_700_000_000, 0)
	attacker := one(-1, limit, time.Minute)
	for range limit {
		m.take(t, OpTake, now, attacker)
	}
	refused := 0
	for n := range 10 * size { // at most 10/4 displaced counters per cell on average
		if fits, _ := m.take(t, OpTake, now, one(n, limit, time.Minute)); !fits {
			refused++
		}
	}
	if m.Len() > size {
		t.Errorf("%d counters held, bound %d", m.Len(), size)
	}
	if fits, states := m.take(t, OpTake, now, attacker); fits {
		t.Errorf("fresh budget for the attacker: %+v", states)
	}
	if refused > size/100 { // about three share the attacker's cell
		t.Errorf("%d of %d strangers refused", refused, 10*size)
	}

	// The next window starts afresh, although counters are displaced in it too.
	now = now.Add(time.Minute)
	for n := range 2 * size {
		m.take(t, OpTake, now, one(n, limit, time.Minute))
	}
	if fits, states := m.take(t, OpTake, now, attacker); !fits {
		t.Errorf("refused in the next window: %+v", states)
	}
}

// TestMemoryPeekDisplacesNothing: looking at counters that do not exist costs
// no memory, so that failure limits can be checked for every address.
func TestMemoryPeekDisplacesNothing(t *testing.T) {
	m := NewMemory(100)
	now := time.Unix(1_700_000_000, 0)
	m.take(t, OpTake, now, one(-1, 5, time.Minute))
	for n := range 1000 {
		m.take(t, OpPeek, now, one(n, 5, time.Minute))
		m.take(t, OpTake, now, Take{Key: key(n), Rate: Rate{5, time.Minute}, Cost: 6})
	}
	if m.Len() != 1 {
		t.Errorf("%d counters held, want 1", m.Len())
	}
}

// TestMemoryFloorsAreFreed: floors of windows that are over do not pile up.
func TestMemoryFloorsAreFreed(t *testing.T) {
	m := NewMemory(10)
	now := time.Unix(1_700_000_000, 0)
	for n := range 1000 {
		window := time.Duration(1+n/20) * time.Second
		m.take(t, OpTake, now, one(n, 5, window))
		now = now.Add(time.Second)
	}
	if n := len(m.shards[0].floors.byWindow); n > 20 {
		t.Errorf("%d floors held", n)
	}
}

func TestMemoryRaise(t *testing.T) {
	m := NewMemory(0)
	now := time.Unix(1_700_000_010, 0)
	takes := []Take{one(1, 10, time.Minute), one(2, 10, time.Minute), one(3, 10, time.Minute), one(4, 10, time.Minute)}
	m.take(t, OpTake, now, takes[1])
	end := time.UnixMilli(windowEnd(now.UnixMilli(), 60_000))
	wait := end.Sub(now)
	m.raise(now, takes, []State{
		{Limit: 10, Remaining: 3, Wait: wait - 29*time.Second}, // not held: 7 used
		{Limit: 10, Remaining: 9, Wait: wait},                  // known already
		{Limit: 10, Remaining: 0, Wait: wait - time.Minute},    // another window
		{Limit: 10, Remaining: 10, Wait: wait},                 // unused: not worth a counter
	})
	_, states := m.take(t, OpPeek, now, takes...)
	for i, want := range []int64{3, 9, 10, 10} {
		if states[i].Remaining != want {
			t.Errorf("counter %d: remaining %d, want %d", i, states[i].Remaining, want)
		}
	}
	if m.Len() != 2 {
		t.Errorf("%d counters held, want 2", m.Len())
	}
}

func TestMemoryAllocations(t *testing.T) {
	m := NewMemory(0)
	ctx, now := context.Background(), time.Unix(1_700_000_000, 0)
	takes := []Take{one(1, 1e9, time.Minute), one(2, 1e9, time.Hour), one(3, 5, time.Second)}
	states := make([]State, len(takes))
	if n := testing.AllocsPerRun(1000, func() {
		now = now.Add(time.Millisecond) // windows pass, and are reused
		_, _ = m.Count(ctx, OpTake, now, takes, states)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
