// Package cache remembers what a source of keys says, and limits how often the source is
// asked.
package cache

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync/atomic"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

// Options are the settings of a Cache. Zero means the default.
type Options struct {
	// Size is how many records are kept. Default: 100,000.
	Size int

	// Fresh is how long a record is served before it is read again. Default: 5m.
	Fresh time.Duration

	// Unknown is how long the cache remembers that a key is unknown, or that its record
	// is unusable. Default: 10s.
	Unknown time.Duration

	// Outage is how long after it was read a record is served at most, while the source
	// cannot be read. Default: 1h.
	Outage time.Duration

	// Reads is how many times per second the source is asked at most, except to fill an
	// empty cache. Default: 200.
	Reads int

	// Timeout is how long a look-up waits for the source, including the wait for its turn
	// under the cap. Default: 500ms.
	Timeout time.Duration
}

func (o Options) withDefaults() Options {
	o.Size = cmp.Or(o.Size, 100_000)
	o.Fresh = cmp.Or(o.Fresh, 5*time.Minute)
	o.Unknown = cmp.Or(o.Unknown, 10*time.Second)
	o.Outage = cmp.Or(o.Outage, time.Hour)
	o.Reads = cmp.Or(o.Reads, 200)
	o.Timeout = cmp.Or(o.Timeout, 500*time.Millisecond)
	return o
}

func (o Options) validate() error {
	switch {
	case o.Size < 1 || o.Reads < 1:
		return errors.New("cache: size and reads must be at least 1")
	case o.Fresh < 0 || o.Unknown < 0 || o.Timeout < 0:
		return errors.New("cache: times must not be negative")
	case o.Outage < o.Fresh:
		return errors.New("cache: outage must not be shorter than fresh")
	}
	return nil
}

// Cache is in front of a Source and remembers what it says.
//
// A record is fresh for a while. For the same time after that, it is served while it is
// read again in the background. An older record is read before it is served. If the
// source cannot be read, the old record is served, up to the outage ceiling. Records in
// use are read again while they are still fresh. All ages count from when the read of a
// record began.
//
// For any number of look-ups, a digest is read only once at a time, and the source is
// asked no more often than the cap allows. Only an empty cache is filled as fast as the
// source answers. Unknown digests have their own room, so a flood of them evicts no
// record.
type Cache struct {
	source keysync.Source
	opts   Options
	epoch  time.Time // what the times below count from
	shards []shard
	budget *budget

	suspectBefore atomic.Int64 // records read before that must be read again
	failedAt      atomic.Int64 // when a read of the source last failed, or never
	reads         atomic.Uint64
	refusedReads  atomic.Uint64
	evicted       atomic.Uint64

	readers *background.Group
}

var (
	_ keysync.Getter = (*Cache)(nil)
	_ keysync.Knower = (*Cache)(nil)
)

const never = math.MinInt64

// New returns a cache in front of source. Close ends its background work.
func New(source keysync.Source, opts Options) (*Cache, error) {
	opts = opts.withDefaults()
	if err := opts.validate(); err != nil {
		return nil, err
	}
	c := &Cache{
		source:  source,
		opts:    opts,
		epoch:   time.Now(),
		shards:  newShards(opts.Size),
		budget:  newBudget(opts),
		readers: background.NewGroup(),
	}
	c.suspectBefore.Store(never)
	c.failedAt.Store(never)
	return c, nil
}

// Close ends all reads and waits for them. Look-ups that need the source fail
// from then on with ErrUnavailable.
func (c *Cache) Close() error {
	c.readers.Close()
	return nil
}

// now returns the time since the cache was made. It is cheaper than time.Now.
func (c *Cache) now() int64 {
	return int64(time.Since(c.epoch))
}

// Lookup returns the record of d as a Source does.
func (c *Cache) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	rec, _, err := c.Get(ctx, d)
	return rec, err
}

// Get returns the record of d, and how it was found. The error is nil,
// ErrUnknown, or wraps ErrUnavailable. A hit does not allocate.
func (c *Cache) Get(ctx context.Context, d keysync.Digest) (*keysync.Record, keysync.Outcome, error) {
	now := c.now()
	s := c.shard(d)
	s.mu.Lock()
	if e, ok := s.known.Peek(d); ok && now < e.refreshAt && e.readAt > c.suspectBefore.Load() {
		if !c.moved(e, now) {
			s.use(d, e, now)
		}
		s.mu.Unlock()
		return e.rec, keysync.OutcomeHit, nil
	}
	s.mu.Unlock()
	return c.getSlowly(ctx, s, d)
}

// getSlowly answers if there is no fresh record.
func (c *Cache) getSlowly(ctx context.Context, s *shard, d keysync.Digest) (*keysync.Record, keysync.Outcome, error) {
	now := c.now()
	s.mu.Lock()
	e, _ := s.known.Peek(d)
	switch c.judge(e, now) {
	case ageFresh:
		if now >= e.refreshAt {
			c.refresh(s, d, e, now)
		}
		s.mu.Unlock()
		return e.rec, keysync.OutcomeHit, nil
	case ageStale:
		c.refresh(s, d, e, now)
		s.mu.Unlock()
		return e.rec, keysync.OutcomeStale, nil
	case ageDoubtful:
		r := c.refresh(s, d, e, now)
		s.mu.Unlock()
		if r == nil {
			return e.rec, keysync.OutcomeStale, nil
		}
		return c.await(ctx, r, e.rec)
	case ageNone:
	}
	if ref, ok := s.refused.Get(d); ok && now < ref.until && ref.readAt > c.suspectBefore.Load() {
		s.mu.Unlock()
		return refuse(ref.err)
	}
	r, err := c.join(s, d)
	s.mu.Unlock()
	if err != nil {
		return refuse(err)
	}
	return c.await(ctx, r, nil)
}

// await waits for a read. If the read fails, stale is served unless it is nil.
func (c *Cache) await(ctx context.Context, r *sharedRead, stale *keysync.Record) (*keysync.Record, keysync.Outcome, error) {
	var err error
	select {
	case <-r.done:
		err = r.err
	case <-ctx.Done():
		err = unavailable("the request has ended", ctx.Err())
	}
	if err == nil {
		return r.rec, keysync.OutcomeMiss, nil
	}
	if stale != nil && errors.Is(err, keysync.ErrUnavailable) && !errors.Is(err, keysync.ErrUnusable) {
		return stale, keysync.OutcomeStale, nil
	}
	return refuse(err)
}

func refuse(err error) (*keysync.Record, keysync.Outcome, error) {
	if errors.Is(err, keysync.ErrUnknown) {
		return nil, keysync.OutcomeUnknown, err
	}
	return nil, keysync.OutcomeError, err
}
