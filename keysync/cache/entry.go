package cache

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

const (
	maxShards      = 64
	minShardSize   = 64
	refusedEntries = 16 << 10 // of all shards

	// failingFor is how long the source counts as failing after a failed read.
	failingFor = 5 * time.Second

	// retryAfter is about how long after a failed read a record is read again.
	retryAfter = 2 * time.Second
)

// shard is a part of the cache with a lock of its own.
type shard struct {
	mu      sync.Mutex
	known   *simplelru.LRU[keysync.Digest, entry]
	refused *simplelru.LRU[keysync.Digest, refusal]
	reading map[keysync.Digest]*sharedRead
	_       [64]byte // keeps the locks of two shards off one cache line
}

// entry is a record in the cache. Its times are those of Cache.now.
type entry struct {
	rec       *keysync.Record // nil in an empty entry
	readAt    int64           // when its read began
	refreshAt int64           // until then a hit is served at once; at most the end of its fresh time
	retryAt   int64           // no read begins before that
	usedAt    uint32          // tick in which it last became the most recently used
	doubted   bool            // must be read again before it counts as fresh
}

// refusal remembers that a key is unknown or has no usable record.
type refusal struct {
	err    error
	readAt int64
	until  int64
}

// newShards makes as many shards as size can fill, a power of two.
func newShards(size int) []shard {
	n := 1
	for n < maxShards && size/(2*n) >= minShardSize {
		n *= 2
	}
	shards := make([]shard, n)
	for i := range shards {
		shards[i].known = newLRU[entry]((size + n - 1) / n)
		shards[i].refused = newLRU[refusal](refusedEntries / n)
		shards[i].reading = make(map[keysync.Digest]*sharedRead)
	}
	return shards
}

func newLRU[T any](size int) *simplelru.LRU[keysync.Digest, T] {
	l, err := simplelru.NewLRU[keysync.Digest, T](size, nil)
	if err != nil {
		panic(err) // only a size below 1 is an error
	}
	return l
}

func (c *Cache) shard(d keysync.Digest) *shard {
	return &c.shards[int(d[0])&(len(c.shards)-1)]
}

// age says what to do with a record in the cache.
type age uint8

const (
	ageNone     age = iota // there is no record, or it is past the ceiling
	ageFresh               // serve it
	ageStale               // serve it and read it again
	ageDoubtful            // read it again, and serve the old one only if that fails
)

func (c *Cache) judge(e entry, now int64) age {
	if e.rec == nil || now-e.readAt >= int64(c.opts.Outage) {
		return ageNone
	}
	trusted := !e.doubted && e.readAt > c.suspectBefore.Load()
	switch old := now - e.readAt; {
	case trusted && old < int64(c.opts.Fresh):
		return ageFresh
	case trusted && old < 2*int64(c.opts.Fresh), c.failing(now):
		return ageStale
	}
	return ageDoubtful
}

// failing reports whether a read of the source failed a moment ago.
func (c *Cache) failing(now int64) bool {
	at := c.failedAt.Load()
	return at != never && now-at < int64(failingFor)
}

// store keeps a record whose read began at readAt, and reports whether it evicts another
// record.
func (c *Cache) store(s *shard, d keysync.Digest, rec *keysync.Record, readAt int64) (evicted bool) {
	e := entry{rec: rec, readAt: readAt, refreshAt: readAt + c.refreshAge(), usedAt: tick(c.now())}
	evicted = s.known.Add(d, e)
	if evicted {
		c.evicted.Add(1)
	}
	return evicted
}

// If a cache is larger than lazyBy times the records that can be read into it within a second,
// entries become the most recently used only once per tick.
const lazyBy = 8

// moved reports whether an entry need not become the most recently used now. If hardly
// any entries can have come since the last time, the order changes little. So most hits
// change nothing in memory.
func (c *Cache) moved(e entry, now int64) bool {
	return e.usedAt == tick(now) && c.opts.Size/lazyBy >= c.opts.Reads
}

// use makes an entry the most recently used of its shard.
func (s *shard) use(d keysync.Digest, e entry, now int64) {
	e.usedAt = tick(now)
	s.known.Add(d, e)
}

// tick counts units of 2^30 ns, about a second. It wraps around after 146 years.
func tick(now int64) uint32 {
	return uint32(now >> 30)
}

// refreshAge spreads the reads of records that were first read together.
func (c *Cache) refreshAge() int64 {
	fresh := int64(c.opts.Fresh)
	return fresh*7/10 + rand.Int64N(fresh/5+1)
}

// postpone delays the next read of the entry of d.
func (c *Cache) postpone(s *shard, d keysync.Digest, e entry, now int64, pause time.Duration) {
	e.retryAt = now + int64(background.Jitter(pause))
	e.refreshAt = min(e.retryAt, e.readAt+int64(c.opts.Fresh))
	s.known.Add(d, e)
}
