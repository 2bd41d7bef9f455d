package limit

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// machine is a clock with both readings: time passes, and the clock can be set.
type machine struct {
	t      *testing.T
	began  time.Time
	passed time.Duration // by the monotonic clock
	off    time.Duration // how far the clock has been set forth, or back
}

// startMachine starts a clock that shows a time of day.
func startMachine(t *testing.T, at string) *machine {
	t.Helper()
	began := time.Now()
	m := &machine{t: t, began: began}
	day := began.UTC().Truncate(24 * time.Hour)
	shown, err := time.Parse(time.TimeOnly, at)
	if err != nil {
		t.Fatal(err)
	}
	const half = 500 * time.Microsecond // so that nothing depends on how milliseconds are rounded
	m.passed = day.AddDate(0, 0, 1).Add(shown.Sub(shown.Truncate(24*time.Hour)) + half).Sub(began)
	return m
}

// now is what time.Now would return.
func (m *machine) now() time.Time {
	m.t.Helper()
	passed := m.began.Add(m.passed)
	now := passed
	// The first word of a Time with a monotonic reading has a bit that says so, 33 bits for the
	// seconds, and 30 for nanoseconds. It is the only way to set the one and not the other.
	*(*uint64)(unsafe.Pointer(&now)) += uint64(m.off/time.Second) << 30
	if now.Sub(passed) != 0 || now.UnixNano()-passed.UnixNano() != int64(m.off) {
		m.t.Fatal("time.Time has changed: this clock does not work any more")
	}
	return now
}

// TestClockSteps: a clock that is set, in either direction and by any length, hands out no
// budget: a window lasts as long as it does by elapsed time. Clients are told the end by the
// clock as it is.
func TestClockSteps(t *testing.T) {
	for _, window := range []time.Duration{time.Minute, time.Hour, 24 * time.Hour} {
		for _, off := range []time.Duration{
			time.Second, -time.Second, window / 3, -window / 3, window - time.Second, window, -window, 3*window + window/2, -100 * window, 1000 * time.Hour, -1000 * time.Hour,
		} {
			clock := startMachine(t, "00:00:00")
			clock.passed += window / 2
			m := NewMemory(0)
			end := window / 2
			for range 5 {
				if fits, _ := m.take(t, OpTake, clock.now(), one(1, 5, window)); !fits {
					t.Fatal("refused below the limit")
				}
			}
			clock.off += off.Truncate(time.Second)
			_, states := m.take(t, OpTake, clock.now(), one(1, 5, window))
			if s := states[0]; !s.Refused || s.Wait != end || s.Reset.Sub(clock.now()).Round(time.Second) != end.Round(time.Second) {
				t.Errorf("window %v, clock set by %v: %+v, want to wait %v", window, off, s, end)
			}
			clock.passed += end - 2*time.Millisecond
			if fits, states := m.take(t, OpTake, clock.now(), one(1, 5, window)); fits {
				t.Errorf("window %v, clock set by %v: served before the end: %+v", window, off, states[0])
			}
			clock.passed += 2 * time.Millisecond
			_, states = m.take(t, OpTake, clock.now(), one(1, 5, window))
			s := states[0]
			if s.Refused || s.Remaining != 4 || s.Wait < window/2 || s.Wait >= window*3/2 {
				t.Errorf("window %v, clock set by %v: the next window is %+v", window, off, s)
			}
			clock.passed += s.Wait
			_, states = m.take(t, OpTake, clock.now(), one(1, 5, window))
			if s := states[0]; s.Remaining != 4 || s.Wait.Round(time.Second) != window || s.Reset.UnixMilli()%window.Milliseconds() > 2*jitter && window.Milliseconds()-s.Reset.UnixMilli()%window.Milliseconds() > 2*jitter {
				t.Errorf("window %v, clock set by %v: the window after that is %+v, not that of the clock", window, off, s)
			}
		}
	}
}

// TestClockStepIsSeenOnce: a request that began before a step and is counted after it does not
// take the others back to the clock before.
func TestClockStepIsSeenOnce(t *testing.T) {
	clock := startMachine(t, "00:00:30")
	m := NewMemory(0)
	before := clock.now()
	clock.passed += time.Second
	clock.off = 20 * time.Second
	m.take(t, OpTake, clock.now(), one(1, 5, time.Minute))
	for i, now := range []time.Time{before, clock.now()} {
		want := time.Duration(10-i) * time.Second // by the clock that was set
		if _, states := m.take(t, OpTake, now, one(2+i, 5, time.Minute)); states[0].Wait.Round(time.Second) != want {
			t.Errorf("request %d: %+v, want to wait %v", i, states[0], want)
		}
	}
}

// TestClockStepsAtRandom has a clock set again and again, requests come late, and counters
// displaced: no counter lets more through than its limit before the end that it has told.
func TestClockStepsAtRandom(t *testing.T) {
	type window struct {
		ends   time.Duration // on the clock that passes
		passed int64
	}
	const limit = 5
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 0))
		clock := startMachine(t, "11:00:00")
		m := NewMemory([]int{8, 100}[seed%2]) // one shard, in which time is one
		latest := clock.passed
		windows := map[int]*window{}
		served := 0
		for range 5000 {
			clock.passed += time.Duration(random.IntN(200)) * time.Millisecond
			if random.IntN(50) == 0 {
				clock.off += time.Duration(random.IntN(240)-120) * time.Second
			}
			n := random.IntN(40)
			late := time.Duration(random.IntN(1000)) * time.Millisecond
			clock.passed -= late
			now := clock.now()
			latest = max(latest, clock.passed)
			clock.passed += late
			fits, states := m.take(t, OpTake, now, one(n, limit, time.Duration(1+n%3)*20*time.Second))
			w := windows[n]
			if w == nil || w.ends <= latest {
				w = &window{ends: latest + states[0].Wait}
				windows[n] = w
			}
			if fits {
				w.passed++
				served++
			}
			if w.passed > limit {
				t.Fatalf("seed %d: %d passed in one window, limit %d", seed, w.passed, limit)
			}
		}
		if served < 1000 {
			t.Errorf("seed %d: %d of 5000 served: too few to show anything", seed, served)
		}
	}
}

// TestClockIsTheMachines: without a step, what clients are told is exact.
func TestClockIsTheMachines(t *testing.T) {
	clock := startMachine(t, "11:00:00")
	m := NewMemory(0)
	for range 1000 {
		clock.passed += 777 * time.Millisecond
		_, states := m.take(t, OpTake, clock.now(), one(1, 5, time.Minute))
		if want := clock.now().Truncate(time.Minute).Add(time.Minute); !states[0].Reset.Equal(want) {
			t.Fatalf("at %v: ends at %v, want %v", clock.now(), states[0].Reset, want)
		}
	}
}
