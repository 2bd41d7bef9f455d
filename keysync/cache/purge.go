package cache

import (
	"iter"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Purge drops the records that match, and the reads under way, so that the next
// look-up reads them from the source. It returns how many records it dropped.
// While the source cannot be read, dropped records are not served.
func (c *Cache) Purge(match func(*keysync.Record) bool) int {
	n := 0
	for i := range c.shards {
		n += c.shards[i].purge(match)
	}
	return n
}

func (s *shard) purge(match func(*keysync.Record) bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.reading) // what they find is not kept
	n := 0
	for _, d := range s.known.Keys() {
		if e, ok := s.known.Peek(d); ok && match(e.rec) {
			s.known.Remove(d)
			n++
		}
	}
	return n
}

// PurgeAll drops everything, also which digests are unknown. It returns how many
// records it dropped.
func (c *Cache) PurgeAll() int {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.refused.Purge()
		s.mu.Unlock()
	}
	return c.Purge(func(*keysync.Record) bool { return true })
}

// Records yields the records that are kept, in no order.
func (c *Cache) Records() iter.Seq[*keysync.Record] {
	return func(yield func(*keysync.Record) bool) {
		for i := range c.shards {
			s := &c.shards[i]
			s.mu.Lock()
			entries := s.known.Values()
			s.mu.Unlock()
			for _, e := range entries {
				if !yield(e.rec) {
					return
				}
			}
		}
	}
}

// Usable reports whether the cache has a record that would be served while the source
// cannot be read.
func (c *Cache) Usable() bool {
	now := c.now()
	for i := range c.shards {
		if c.shards[i].usable(now, int64(c.opts.Outage)) {
			return true
		}
	}
	return false
}

func (s *shard) usable(now, outage int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.known.Values() {
		if now-e.readAt < outage {
			return true
		}
	}
	return false
}

// Knows implements keysync.Knower.
func (c *Cache) Knows(d keysync.Digest) bool {
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known.Contains(d) || s.refused.Contains(d)
}
