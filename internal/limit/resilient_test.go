package limit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

var errDown = errors.New("connection refused")

// fakeShared is shared counters whose answers a test sets.
type fakeShared struct {
	*Memory
	mu             sync.Mutex
	delay          time.Duration // of every answer
	err            error
	counts, probes int
	closed         bool
}

const fakeTimeout = 50 * time.Millisecond

func (f *fakeShared) Count(ctx context.Context, op Op, now time.Time, takes []Take, states []State) (bool, error) {
	if err := f.answer(ctx, &f.counts); err != nil {
		return false, err
	}
	return f.Memory.Count(ctx, op, now, takes, states)
}

func (f *fakeShared) Probe(ctx context.Context) error { return f.answer(ctx, &f.probes) }

func (f *fakeShared) Close() { f.closed = true }

func (f *fakeShared) set(delay time.Duration, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.delay, f.err = delay, err
}

// asked returns how many requests and probes have come.
func (f *fakeShared) asked() (counts, probes int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts, f.probes
}

func (f *fakeShared) answer(ctx context.Context, asked *int) error {
	f.mu.Lock()
	*asked++
	delay, err := f.delay, f.err
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, fakeTimeout)
	defer cancel()
	select {
	case <-time.After(delay):
		return err
	case <-ctx.Done():
		return fmt.Errorf("counting: %w", ctx.Err())
	}
}

// resilient is a Resilient on top of a fakeShared, inside a bubble.
type resilient struct {
	*testing.T
	*Resilient
	shared *fakeShared
	logs   *observer.ObservedLogs
}

func withResilient(t *testing.T, onError OnError, shared *fakeShared, f func(r *resilient)) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		shared.Memory = NewMemory(0)
		r := &resilient{t, NewResilient(shared, NewMemory(0), onError, zap.New(core)), shared, logs}
		f(r)
		r.Close()
		if !shared.closed {
			t.Error("shared counters are not closed")
		}
	})
}

// take takes one unit of the counter and returns the remaining units, or -1.
func (r *resilient) take() int64 {
	r.Helper()
	states := make([]State, 1)
	fits, err := r.Count(r.Context(), OpTake, time.Now(), []Take{one(1, 5, 24*time.Hour)}, states)
	if err != nil {
		r.Fatal(err)
	}
	if !fits {
		return -1
	}
	return states[0].Remaining
}

// expect checks health and logs.
func (r *resilient) expect(want Health, logs ...string) {
	r.Helper()
	synctest.Wait()
	if got := r.Health(); got != want {
		r.Errorf("health %+v, want %+v", got, want)
	}
	var got []string
	for _, e := range r.logs.TakeAll() {
		got = append(got, e.Message)
	}
	if fmt.Sprint(got) != fmt.Sprint(logs) {
		r.Errorf("logs %q, want %q", got, logs)
	}
}

const down, stillDown, back = "shared counters are down", "shared counters are still down", "shared counters are back"

func TestResilientOutage(t *testing.T) {
	withResilient(t, OnErrorMemory, &fakeShared{}, func(r *resilient) {
		for want := int64(4); want >= 2; want-- {
			if got := r.take(); got != want {
				r.Errorf("remaining %d, want %d", got, want)
			}
		}
		r.expect(Health{Up: true})

		r.shared.set(0, errDown)
		before, _ := r.shared.asked()
		for _, want := range []int64{1, 0, -1, -1} { // goes on from what is known
			if got := r.take(); got != want {
				r.Errorf("while down: remaining %d, want %d", got, want)
			}
		}
		if after, _ := r.shared.asked(); after != before+1 {
			r.Errorf("%d requests asked the shared counters after they went down", after-before)
		}
		r.expect(Health{Problem: errDown.Error(), Outages: 1, Degraded: 4}, down)

		r.shared.set(0, nil)
		time.Sleep(probeMin * 2)
		r.expect(Health{Up: true, Outages: 1, Degraded: 4}, back)
		if got := r.take(); got != 1 {
			r.Errorf("after the outage: remaining %d, want 1", got)
		}
	})
}

func TestResilientSlow(t *testing.T) {
	withResilient(t, OnErrorMemory, &fakeShared{}, func(r *resilient) {
		for range 2 { // late answers that are not in a row are no outage
			for range maxLate - 1 {
				r.shared.set(time.Second, nil)
				began := time.Now()
				r.take()
				if d := time.Since(began); d != fakeTimeout {
					r.Errorf("waited %v", d)
				}
			}
			r.shared.set(0, nil)
			r.take()
		}
		r.expect(Health{Up: true, Degraded: 4})
		r.shared.set(time.Second, nil)
		for range maxLate {
			r.take()
		}
		r.expect(Health{Problem: "counting: context deadline exceeded", Outages: 1, Degraded: 4 + maxLate}, down)
		began := time.Now()
		for range 100 {
			r.take()
		}
		if d := time.Since(began); d != 0 {
			r.Errorf("100 requests waited %v during the outage", d)
		}
		r.shared.set(0, nil)
		time.Sleep(time.Second)
		r.expect(Health{Up: true, Outages: 1, Degraded: 104 + maxLate}, back)
		r.shared.set(time.Second, nil)
		r.take() // one late answer is none in a row again
		r.expect(Health{Up: true, Outages: 1, Degraded: 105 + maxLate})
	})
}

// TestResilientBackOff: probes during an hour's outage come at the pace of the
// longest pause.
func TestResilientBackOff(t *testing.T) {
	withResilient(t, OnErrorMemory, &fakeShared{err: errDown}, func(r *resilient) {
		r.expect(Health{Problem: errDown.Error(), Outages: 1}, down)
		_, first := r.shared.asked()
		time.Sleep(time.Second)
		_, probes := r.shared.asked()
		if n := probes - first; n < 2 || n > 4 { // at 0.1, 0.3, 0.7 s
			r.Errorf("%d probes in the first second", n)
		}
		time.Sleep(time.Hour)
		_, probes = r.shared.asked()
		if n := probes; n < 3600/6 || n > 3600/4+5 {
			r.Errorf("%d probes in an hour", n)
		}
		r.expect(Health{Problem: errDown.Error(), Outages: 1})
	})
}

// TestResilientCauseChanges: another reason why the counters are down is logged, once and
// not without end, and always told.
func TestResilientCauseChanges(t *testing.T) {
	password := errors.New("wrong password")
	withResilient(t, OnErrorMemory, &fakeShared{err: fmt.Errorf("port 1: %w", errDown)}, func(r *resilient) {
		r.expect(Health{Problem: "port 1: connection refused", Outages: 1}, down)
		for _, step := range []struct {
			err  error
			logs []string
		}{
			{fmt.Errorf("port 2: %w", errDown), nil},
			{fmt.Errorf("port 2: %w", password), []string{stillDown}},
			{fmt.Errorf("port 3: %w", password), nil},
			{fmt.Errorf("port 3: %w", errDown), nil},
		} {
			r.shared.set(0, step.err)
			time.Sleep(2 * probeMax)
			r.expect(Health{Problem: step.err.Error(), Outages: 1}, step.logs...)
		}
		for i := range 100 {
			r.shared.set(0, fmt.Errorf("reason %d", i))
			time.Sleep(2 * probeMax)
		}
		if n := len(r.logs.TakeAll()); n != maxCauses-2 {
			r.Errorf("%d reasons are logged", n)
		}
		r.shared.set(0, nil)
		time.Sleep(2 * probeMax)
		r.expect(Health{Up: true, Outages: 1}, back)
	})
}

// TestResilientLateFailure: a request that began before an outage and fails
// after it opens no second one.
func TestResilientLateFailure(t *testing.T) {
	withResilient(t, OnErrorMemory, &fakeShared{}, func(r *resilient) {
		turn := r.turns.Load()
		r.shared.set(0, errDown)
		r.take()
		r.shared.set(0, nil)
		time.Sleep(time.Second)
		r.open(turn, errDown)
		r.expect(Health{Up: true, Outages: 1, Degraded: 1}, down, back)
	})
}

// TestResilientClientGone: clients that hang up are no outage.
func TestResilientClientGone(t *testing.T) {
	withResilient(t, OnErrorMemory, &fakeShared{delay: time.Second}, func(r *resilient) {
		r.shared.set(0, nil)
		time.Sleep(10 * time.Second)
		r.expect(Health{Up: true, Outages: 1}, down, back)
		r.shared.set(time.Second, nil)
		for range 2 * maxLate {
			ctx, cancel := context.WithTimeout(r.Context(), time.Millisecond)
			_, err := r.Count(ctx, OpTake, time.Now(), []Take{one(1, 5, time.Minute)}, make([]State, 1))
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				r.Errorf("got %v", err)
			}
		}
		r.expect(Health{Up: true, Outages: 1})
	})
}

func TestResilientOnError(t *testing.T) {
	for _, tc := range []struct {
		onError OnError
		fits    bool
		err     error
		state   State
	}{
		{OnErrorAllow, true, nil, State{}},
		{OnErrorDeny, false, ErrUnavailable, State{}},
		{OnErrorMemory, false, nil, State{Limit: 5, Remaining: 5, Refused: true}},
	} {
		t.Run(string(tc.onError), func(t *testing.T) {
			withResilient(t, tc.onError, &fakeShared{err: errDown}, func(r *resilient) {
				states := []State{{Limit: 1, Remaining: 1}} // of an earlier request
				big := one(1, 5, time.Minute)
				big.Cost = 6
				fits, err := r.Count(r.Context(), OpTake, time.Now(), []Take{big}, states)
				states[0].Reset, states[0].Wait = time.Time{}, 0
				if fits != tc.fits || !errors.Is(err, tc.err) || states[0] != tc.state {
					r.Errorf("fits %v, error %v, state %+v", fits, err, states[0])
				}
			})
		})
	}
}

// TestResilientErrorOfOneCounter: requests that count in it get what on_error says, the others
// go on, no outage begins, and it is said once a minute.
func TestResilientErrorOfOneCounter(t *testing.T) {
	const unusable = "a shared counter cannot be used"
	withResilient(t, OnErrorMemory, &fakeShared{}, func(r *resilient) {
		for range 3 {
			r.shared.set(0, fmt.Errorf("counting: %w", errNoCounter))
			for range 10 {
				r.take()
				time.Sleep(5 * time.Second)
			}
			r.shared.set(0, nil)
			r.take()
			time.Sleep(10 * time.Second)
		}
		r.expect(Health{Up: true, Degraded: 30}, unusable, unusable, unusable)
	})
}
