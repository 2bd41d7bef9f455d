package cache

import (
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Forget drops what is known about digests that have changed. Those that were in the
// cache are read again at once.
func (c *Cache) Forget(digests ...keysync.Digest) {
	for _, d := range digests {
		c.forget(d)
	}
}

func (c *Cache) forget(d keysync.Digest) {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	_, underWay := s.reading[d]
	delete(s.reading, d)
	s.refused.Remove(d)
	if (s.known.Remove(d) || underWay) && c.budget.takeKnown() {
		_, _ = c.begin(s, d, nil)
	}
}

// Doubt makes every record be read again before it counts as fresh. The reads happen when
// records are used, and stay under the cap. A record that cannot be read is served as in
// an outage. The cache also forgets which digests are unknown.
func (c *Cache) Doubt() {
	c.suspectBefore.Store(c.now())
}

// Stats are the figures of a Cache.
type Stats struct {
	Records      int    // kept now
	Unknown      int    // digests remembered as unknown or unusable now
	Reads        uint64 // of the source so far
	RefusedReads uint64 // look-ups refused so far because of the cap
	Evicted      uint64 // records dropped so far because the cache was full
}

// Stats returns the figures of the cache.
func (c *Cache) Stats() Stats {
	st := Stats{Reads: c.reads.Load(), RefusedReads: c.refusedReads.Load(), Evicted: c.evicted.Load()}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		st.Records += s.known.Len()
		st.Unknown += s.refused.Len()
		s.mu.Unlock()
	}
	return st
}
