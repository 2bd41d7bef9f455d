package cache

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// sharedRead is one read of the source that all look-ups of its digest wait for.
type sharedRead struct {
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

// refresh begins to read a known record again, or joins the current read. It returns nil
// if the record must not be read now. The shard is locked.
func (c *Cache) refresh(s *shard, d keysync.Digest, e entry, now int64) *sharedRead {
	if r := c.joinable(s, d); r != nil {
		return r
	}
	if now < e.retryAt {
		return nil
	}
	if !c.budget.takeKnown() {
		c.postpone(s, d, e, now, time.Second)
		return nil
	}
	r, err := c.begin(s, d, nil)
	if err != nil {
		return nil
	}
	return r
}

// join joins the read of a digest that is not in the cache, or begins it. The
// shard is locked.
func (c *Cache) join(s *shard, d keysync.Digest) (*sharedRead, error) {
	if r := c.joinable(s, d); r != nil {
		if r.turn != nil {
			c.budget.again(r.turn)
		}
		return r, nil
	}
	t := c.budget.ask(d)
	if t == nil {
		c.refusedReads.Add(1)
		return nil, errOverCap
	}
	return c.begin(s, d, t)
}

// joinable returns the current read, unless it began before all records were doubted.
func (c *Cache) joinable(s *shard, d keysync.Digest) *sharedRead {
	if r := s.reading[d]; r != nil && r.begun > c.suspectBefore.Load() {
		return r
	}
	return nil
}

// begin reads a digest in the background, when its turn comes, or at once if t is nil.
// The shard is locked.
func (c *Cache) begin(s *shard, d keysync.Digest, t *turn) (*sharedRead, error) {
	r := &sharedRead{begun: c.now(), turn: t, done: make(chan struct{})}
	if !c.readers.Run(func(ctx context.Context) { c.read(ctx, s, d, r) }) {
		return nil, errClosed
	}
	s.reading[d] = r
	return r, nil
}

func (c *Cache) read(ctx context.Context, s *shard, d keysync.Digest, r *sharedRead) {
	ctx, cancel := context.WithTimeout(ctx, c.opts.Timeout)
	defer cancel()
	defer close(r.done)
	if r.turn != nil {
		if err := c.budget.await(ctx, r.turn); err != nil {
			c.refusedReads.Add(1)
			r.err = errOverCap
			s.drop(d, r)
			return
		}
	}
	readAt := c.now()
	c.reads.Add(1)
	r.rec, r.err = c.source.Lookup(ctx, d)
	took := time.Duration(c.now() - readAt)
	if r.err != nil && !errors.Is(r.err, keysync.ErrUnknown) && !errors.Is(r.err, keysync.ErrUnavailable) {
		r.err = unavailable("reading the key source", r.err)
	}
	how := c.keep(s, d, r, readAt)
	if r.turn != nil {
		c.budget.end(r.turn, how, took)
	}
}

// drop ends a read that never began.
func (s *shard) drop(d keysync.Digest, r *sharedRead) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reading[d] == r {
		delete(s.reading, d)
	}
}

// keep keeps the result of a read, unless the digest was forgotten meanwhile: then the
// result may be older than the change.
func (c *Cache) keep(s *shard, d keysync.Digest, r *sharedRead, readAt int64) ended {
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := r.err != nil && !errors.Is(r.err, keysync.ErrUnknown) && !errors.Is(r.err, keysync.ErrUnusable)
	current := s.reading[d] == r
	if current {
		delete(s.reading, d)
	}
	switch {
	case failed:
		if current {
			c.failed(s, d)
		}
		return endedFailed
	case !current:
		return endedIdle
	}
	c.failedAt.Store(never)
	if r.err != nil {
		s.known.Remove(d)
		s.refused.Add(d, refusal{err: r.err, readAt: readAt, until: readAt + int64(c.opts.Unknown)})
		return endedIdle
	}
	if c.store(s, d, r.rec, readAt) {
		return endedIdle
	}
	return endedFilled
}

// failed remembers that the source could not be read for d.
func (c *Cache) failed(s *shard, d keysync.Digest) {
	now := c.now()
	c.failedAt.Store(now)
	if e, ok := s.known.Peek(d); ok {
		c.postpone(s, d, e, now, retryAfter)
	}
}
