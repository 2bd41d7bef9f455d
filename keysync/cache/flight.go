package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// flight is one read of the source that any number of look-ups wait for.
type flight struct {
	begun int64
	turn  *turn // nil for a known key
	done  chan struct{}
	rec   *keysync.Record // set when done is closed
	err   error
}

var (
	errClosed  = unavailable("the cache is closed", nil)
	errOverCap = unavailable("too many reads of the key source", nil)
)

func unavailable(what string, err error) error {
	if err == nil {
		return fmt.Errorf("%w: %s", keysync.ErrUnavailable, what)
	}
	return fmt.Errorf("%w: %s: %w", keysync.ErrUnavailable, what, err)
}

// refresh begins to read a known record again, or joins the read under way. It
// returns nil if the record is not to be read now. The shard is locked.
func (c *Cache) refresh(s *shard, d keysync.Digest, e entry, now int64) *flight {
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
	f, err := c.begin(s, d, nil)
	if err != nil {
		return nil
	}
	return f
}

// join joins the read of a digest that is not in the cache, or begins it. The
// shard is locked.
func (c *Cache) join(s *shard, d keysync.Digest) (*flight, error) {
	if f := c.joinable(s, d); f != nil {
		if f.turn != nil {
			c.budget.again(f.turn)
		}
		return f, nil
	}
	t := c.budget.ask(d)
	if t == nil {
		c.refusedReads.Add(1)
		return nil, errOverCap
	}
	return c.begin(s, d, t)
}

// joinable returns the read under way, unless it began before all records fell
// into doubt.
func (c *Cache) joinable(s *shard, d keysync.Digest) *flight {
	if f := s.flights[d]; f != nil && f.begun > c.suspectBefore.Load() {
		return f
	}
	return nil
}

// begin reads a digest in the background, when it is its turn; at once without one.
// The shard is locked.
func (c *Cache) begin(s *shard, d keysync.Digest, t *turn) (*flight, error) {
	f := &flight{begun: c.now(), turn: t, done: make(chan struct{})}
	if !c.flights.Run(func(ctx context.Context) { c.read(ctx, s, d, f) }) {
		return nil, errClosed
	}
	s.flights[d] = f
	return f, nil
}

func (c *Cache) read(ctx context.Context, s *shard, d keysync.Digest, f *flight) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	defer close(f.done)
	if f.turn != nil {
		if err := c.budget.await(ctx, f.turn); err != nil {
			c.refusedReads.Add(1)
			f.err = errOverCap
			s.drop(d, f)
			return
		}
	}
	readAt := c.now()
	c.reads.Add(1)
	f.rec, f.err = c.source.Lookup(ctx, d)
	took := time.Duration(c.now() - readAt)
	if f.err != nil && !errors.Is(f.err, keysync.ErrUnknown) && !errors.Is(f.err, keysync.ErrUnavailable) {
		f.err = unavailable("reading the key source", f.err)
	}
	how := c.land(s, d, f, readAt)
	if f.turn != nil {
		c.budget.end(f.turn, how, took)
	}
}

// drop ends a read that was never made.
func (s *shard) drop(d keysync.Digest, f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.flights[d] == f {
		delete(s.flights, d)
	}
}

// land keeps what a read has found, unless the digest was forgotten meanwhile:
// then what was read may be older than the change.
func (c *Cache) land(s *shard, d keysync.Digest, f *flight, readAt int64) ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := f.err != nil && !errors.Is(f.err, keysync.ErrUnknown) && !errors.Is(f.err, keysync.ErrUnusable)
	kept := s.flights[d] == f
	if kept {
		delete(s.flights, d)
	}
	switch {
	case failed:
		if kept {
			c.failed(s, d)
		}
		return endedFailed
	case !kept:
		return endedIdle
	}
	c.failedAt.Store(never)
	if f.err != nil {
		s.known.Remove(d)
		s.refused.Add(d, refusal{err: f.err, readAt: readAt, until: readAt + int64(c.opts.Unknown)})
		return endedIdle
	}
	if c.store(s, d, f.rec, readAt) {
		return endedIdle
	}
	return endedFilled
}

// failed remembers that the source could not say what d stands for.
func (c *Cache) failed(s *shard, d keysync.Digest) {
	now := c.now()
	c.failedAt.Store(now)
	if e, ok := s.known.Peek(d); ok {
		c.postpone(s, d, e, now, retryAfter)
	}
}
