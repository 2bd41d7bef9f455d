package caddymodule

import (
	"crypto/rand"
	"slices"
	"sync"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// runningCaches are the caches in front of Vault by what they are a cache of, so
// that a configuration with other settings for the same Vault does not begin with
// an empty one: Vault may be down just when somebody changes them.
var runningCaches = cacheRegistry{caches: make(map[string][]*cache.Cache)}

type cacheRegistry struct {
	mu     sync.Mutex
	caches map[string][]*cache.Cache // by the identity of their source, the newest last
}

// add registers a cache and returns the one before it, or nil.
func (r *cacheRegistry) add(identity string, c *cache.Cache) (before *cache.Cache) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known := r.caches[identity]; len(known) > 0 {
		before = known[len(known)-1]
	}
	r.caches[identity] = append(r.caches[identity], c)
	return before
}

func (r *cacheRegistry) remove(identity string, c *cache.Cache) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := slices.DeleteFunc(r.caches[identity], func(other *cache.Cache) bool { return other == c })
	if r.caches[identity] = left; len(left) == 0 {
		delete(r.caches, identity)
	}
}

// takeOver fills a cache with what the one before it knows. The records keep their
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
		log.Error("taking over the cache of the configuration before", zap.Error(err))
		return
	}
	log.Info("took over the cache of the configuration before", zap.Int("records", n))
}
