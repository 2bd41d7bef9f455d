package keysync

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// flight is one read of the source that any number of look-ups wait for.
type flight struct {
	begun int64
	done  chan struct{}
	rec   *Record // set when done is closed
	err   error
}

var (
	errClosed  = unavailable("the cache is closed", nil)
	errOverCap = unavailable("too many reads of the key source", nil)
)

func unavailable(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", ErrUnavailable, what)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, what, err)
}

// refresh begins to read a known record again, or joins the read under way. It
// returns nil if the record is not to be read now. The shard is locked.
func (c *Cache) refresh(s *shard, d Digest, e entry, now int64) *flight {
	if f := c.joinable(s, d); f != nil {
		return f
	}
	if now < e.retryAt {
		return nil
	}
	if !c.budget.takeKnown() {
		c.postpone(s, d, e, now, time.Second)
		return nil
	}
	f, err := c.begin(s, d, 0)
	if err != nil {
		return nil
	}
	return f
}

// join joins the read of a digest that is not in the cache, or begins it. The
// shard is locked.
func (c *Cache) join(s *shard, d Digest) (*flight, error) {
	if f := c.joinable(s, d); f != nil {
		return f, nil
	}
	wait, ok := c.budget.reserveOther(c.opts.Timeout / 2)
	if !ok {
		c.refusedReads.Add(1)
		return nil, errOverCap
	}
	return c.begin(s, d, wait)
}

// joinable returns the read under way, unless it began before all records fell
// into doubt.
func (c *Cache) joinable(s *shard, d Digest) *flight {
	if f := s.flights[d]; f != nil && f.begun > c.suspectBefore.Load() {
		return f
	}
	return nil
}

// begin reads a digest in the background, after a wait. The shard is locked.
func (c *Cache) begin(s *shard, d Digest, wait time.Duration) (*flight, error) {
	f := &flight{begun: c.now(), done: make(chan struct{})}
	if !c.flights.run(func(ctx context.Context) { c.read(ctx, s, d, f, wait) }) {
		return nil, errClosed
	}
	s.flights[d] = f
	return f, nil
}

func (c *Cache) read(ctx context.Context, s *shard, d Digest, f *flight, wait time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	defer close(f.done)
	if err := sleep(ctx, wait); err != nil {
		f.err = unavailable("waiting for a turn to read", err)
		c.land(s, d, f, c.now())
		return
	}
	readAt := c.now()
	c.reads.Add(1)
	f.rec, f.err = c.source.Lookup(ctx, d)
	if f.err != nil && !errors.Is(f.err, ErrUnknown) && !errors.Is(f.err, ErrUnavailable) {
		f.err = unavailable("reading the key source", f.err)
	}
	c.land(s, d, f, readAt)
}

// land keeps what a read has found, unless the digest was forgotten meanwhile:
// then what was read may be older than the change.
func (c *Cache) land(s *shard, d Digest, f *flight, readAt int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[d] != f {
		return
	}
	delete(s.flights, d)
	switch {
	case f.err == nil:
		c.failedAt.Store(never)
		c.store(s, d, f.rec, readAt)
	case errors.Is(f.err, ErrUnknown), errors.Is(f.err, ErrUnusable):
		c.failedAt.Store(never)
		s.known.Remove(d)
		s.refused.Add(d, refusal{err: f.err, readAt: readAt, until: readAt + int64(c.opts.Unknown)})
	default:
		now := c.now()
		c.failedAt.Store(now)
		if e, ok := s.known.Peek(d); ok {
			c.postpone(s, d, e, now, retryAfter)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// flightGroup runs functions until it is closed.
type flightGroup struct {
	mu      sync.RWMutex
	closed  bool
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

func (g *flightGroup) init() {
	g.ctx, g.cancel = context.WithCancel(context.Background())
}

// run reports whether it could start fn.
func (g *flightGroup) run(fn func(ctx context.Context)) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return false
	}
	g.running.Go(func() { fn(g.ctx) })
	return true
}

func (g *flightGroup) close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.running.Wait()
}
