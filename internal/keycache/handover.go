package keycache

import (
	"crypto/rand"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// runningCaches are the caches by the place of their records, so that a configuration
// with other settings for the same place does not start with an empty cache: the source
// may be down when somebody changes the settings.
var runningCaches = cacheRegistry{caches: make(map[string][]*cache.Cache)}

type cacheRegistry struct {
	mu     sync.Mutex
	caches map[string][]*cache.Cache // by place, the newest last
}

// add registers a cache and returns the one before it, or nil.
func (r *cacheRegistry) add(place string, c *cache.Cache) (before *cache.Cache) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.caches[place]; len(known) > 0 {
		before = known[len(known)-1]
	}
	r.caches[place] = append(r.caches[place], c)
	return before
}

func (r *cacheRegistry) remove(place string, c *cache.Cache) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := slices.DeleteFunc(r.caches[place], func(other *cache.Cache) bool { return other == c })
	if r.caches[place] = left; len(left) == 0 {
		delete(r.caches, place)
	}
}

// takeOver fills a cache with the records of the previous one. The records keep their
// age, and are read again before they count as fresh.
func takeOver(c, before *cache.Cache, log *zap.Logger) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	n := 0
	snap, err := before.Snapshot(key)
	if err == nil {
		n, err = c.Restore(snap, key)
	}
	if err != nil {
		log.Error("taking over the cache of the previous configuration", zap.Error(err))
		return
	}
	log.Info("took over the cache of the previous configuration", zap.Int("records", n))
}
