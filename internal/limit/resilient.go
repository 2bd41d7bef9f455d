package limit

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Probes of unreachable counters start after probeMin, and each next pause is
// twice as long, up to probeMax. Pauses vary by a fifth, so that gates that lost Redis
// together do not come back together.
const (
	probeMin = 100 * time.Millisecond
	probeMax = 5 * time.Second
)

// maxLate is how many answers in a row may come too late before the circuit
// opens: a single late answer affects only one request.
const maxLate = 3

// OnError says how requests are counted while shared counters are down.
type OnError string

const (
	// OnErrorMemory counts in this process, from the last state known of each
	// counter: during an outage every gate can let through its own full limit.
	OnErrorMemory OnError = "memory"
	// OnErrorAllow lets everything through, uncounted: states stay empty.
	OnErrorAllow OnError = "allow"
	// OnErrorDeny lets nothing through: Count returns ErrUnavailable.
	OnErrorDeny OnError = "deny"
)

// Shared is counters in a server that may be down.
type Shared interface {
	Counters
	// Probe connects if necessary and reports whether Count would work.
	Probe(ctx context.Context) error
	// Close frees all resources.
	Close()
}

var _ Shared = (*Redis)(nil)

// Health is what metrics show of Resilient.
type Health struct {
	Up       bool   // shared counters are in use
	Problem  string // why not
	Outages  uint64 // how often they went down
	Degraded uint64 // requests that were counted without them
}

// Resilient counts in shared counters while they work and falls back to OnError
// while they do not.
//
// A request whose answer fails or comes too late is counted without them at
// once. An error, or three late answers in a row, also opens the circuit: from
// then on no request waits for the shared counters, until a probe in the
// background has succeeded. Both changes are logged once, and during the outage also new
// reasons. An error of one counter affects only the requests that count in it, and is
// logged at most once a minute.
type Resilient struct {
	shared  Shared
	memory  *Memory
	onError OnError
	logger  *zap.Logger

	turns    atomic.Uint64 // of the circuit: closed when even
	late     atomic.Uint64 // answers in a row
	degraded atomic.Uint64
	problem  atomic.Pointer[string]
	told     atomic.Int64 // when an error of one counter was logged, Unix seconds

	ctx    context.Context // of the probes
	cancel context.CancelFunc
	mu     sync.Mutex // guards the start of probing against Close
	probes sync.WaitGroup
}

// NewResilient takes over shared, which it probes once before it returns: if
// that fails, it starts with an open circuit. memory is used with OnErrorMemory
// only.
func NewResilient(shared Shared, memory *Memory, onError OnError, logger *zap.Logger) *Resilient {
	r := &Resilient{shared: shared, memory: memory, onError: onError, logger: logger}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	if err := shared.Probe(r.ctx); err != nil {
		r.open(0, err)
	}
	return r
}

// Count implements Counters. It returns the error of ctx if that ended first,
// and otherwise fails only under OnErrorDeny, with ErrUnavailable.
func (r *Resilient) Count(ctx context.Context, op Op, now time.Time, takes []Take, states []State) (bool, error) {
	turn := r.turns.Load()
	if turn%2 == 0 {
		fits, err := r.shared.Count(ctx, op, now, takes, states)
		if err == nil {
			r.succeeded(now, takes, states)
			return fits, nil
		}
		if ctx.Err() != nil { // the client has gone: that is not an error of the server
			return false, ctx.Err()
		}
		switch {
		case errors.Is(err, errNoCounter):
			r.tell(err)
		case !errors.Is(err, context.DeadlineExceeded), r.late.Add(1) >= maxLate:
			r.open(turn, err)
		}
	}
	r.degraded.Add(1)
	return r.fallBack(ctx, op, now, takes, states)
}

// Health returns the present state.
func (r *Resilient) Health() Health {
	turns := r.turns.Load()
	h := Health{Up: turns%2 == 0, Outages: (turns + 1) / 2, Degraded: r.degraded.Load()}
	if p := r.problem.Load(); p != nil && !h.Up {
		h.Problem = *p
	}
	return h
}

// OnError says how requests are counted while shared counters are down.
func (r *Resilient) OnError() OnError { return r.onError }

// Close ends probing and closes the shared counters.
func (r *Resilient) Close() {
	r.mu.Lock()
	r.cancel()
	r.mu.Unlock()
	r.probes.Wait()
	r.shared.Close()
}

func (r *Resilient) succeeded(now time.Time, takes []Take, states []State) {
	if r.late.Load() != 0 {
		r.late.Store(0)
	}
	if r.onError == OnErrorMemory {
		r.memory.raise(now, takes, states)
	}
}

func (r *Resilient) fallBack(ctx context.Context, op Op, now time.Time, takes []Take, states []State) (bool, error) {
	switch r.onError {
	case OnErrorAllow:
		clear(states)
		return true, nil
	case OnErrorDeny:
		clear(states)
		return false, ErrUnavailable
	default:
		return r.memory.Count(ctx, op, now, takes, states)
	}
}

// open opens the circuit that was closed at the given turn. A request that
// began before an outage and fails after it does not open it again.
func (r *Resilient) open(turn uint64, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx.Err() != nil || !r.turns.CompareAndSwap(turn, turn+1) {
		return
	}
	r.logger.Error("shared counters are down", zap.String("on_error", string(r.onError)), zap.Error(err))
	o := &outage{began: time.Now(), degraded: r.degraded.Load(), causes: map[string]bool{cause(err): true}}
	r.explain(err)
	r.probes.Go(func() { r.probe(o) })
}

// tell logs an error of one counter, if none was logged for a minute.
func (r *Resilient) tell(err error) {
	now, told := time.Now().Unix(), r.told.Load()
	if told <= now && now < told+60 || !r.told.CompareAndSwap(told, now) {
		return
	}
	r.logger.Warn("a shared counter cannot be used", zap.String("on_error", string(r.onError)), zap.Error(err))
}

func (r *Resilient) explain(err error) {
	text := err.Error()
	r.problem.Store(&text)
}

// outage is what is remembered during an outage.
type outage struct {
	began    time.Time
	degraded uint64          // requests before it
	causes   map[string]bool // that have been logged
}

// maxCauses is how many reasons of an outage are logged.
const maxCauses = 8

// isNew reports whether an error has a cause that has not been logged.
func (o *outage) isNew(err error) bool {
	c := cause(err)
	if o.causes[c] || len(o.causes) >= maxCauses {
		return false
	}
	o.causes[c] = true
	return true
}

// cause returns the innermost error, without the ports and times that errors around it
// may have.
func cause(err error) string {
	for next := err; next != nil; next = errors.Unwrap(next) {
		err = next
	}
	return err.Error()
}

// probe closes the circuit as soon as the shared counters work again.
func (r *Resilient) probe(o *outage) {
	for pause := probeMin; r.sleep(pause); pause = min(2*pause, probeMax) {
		err := r.shared.Probe(r.ctx)
		if err == nil {
			r.logger.Info("shared counters are back",
				zap.Duration("outage", time.Since(o.began)),
				zap.Uint64("degraded", r.degraded.Load()-o.degraded))
			r.late.Store(0)
			r.turns.Add(1)
			return
		}
		r.explain(err)
		if r.ctx.Err() == nil && o.isNew(err) {
			r.logger.Warn("shared counters are still down", zap.Error(err))
		}
	}
}

// sleep waits for the pause, give or take a fifth, and reports false if it was
// cut short by Close.
func (r *Resilient) sleep(pause time.Duration) bool {
	jitter := 0.8 + 0.4*rand.Float64()
	timer := time.NewTimer(time.Duration(float64(pause) * jitter))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.ctx.Done():
		return false
	}
}
