package gate

import (
	"hash/maphash"
	"slices"
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// An identity needs a bit less than a kilobyte, all of them at most about 30 MB.
const (
	identityShards     = 32
	identitiesPerShard = 1024
)

// identityCache remembers identities by key and bound resources, so that an assertion is
// signed once and used for many requests. Every gate has its own cache.
type identityCache struct {
	seed   maphash.Seed
	shards [identityShards]identityShard
}

type identityShard struct {
	mu  sync.Mutex
	lru *simplelru.LRU[identityKey, *identity]
}

// identityKey identifies an identity. The hash of the bound resources may collide, so the
// found identity is compared with the resources themselves.
type identityKey struct {
	digest  keysync.Digest
	verdict Verdict
	bound   uint64
}

func newIdentityCache() *identityCache {
	c := &identityCache{seed: maphash.MakeSeed()}
	for i := range c.shards {
		c.shards[i].lru, _ = simplelru.NewLRU[identityKey, *identity](identitiesPerShard, nil) // errs for sizes below 1 only
	}
	return c
}

// get returns the identity of the passage, or nil if it is not known, its record
// has changed since, or its assertion is due to be renewed.
func (c *identityCache) get(p *passage, bound []boundResource) *identity {
	key := c.key(p, bound)
	shard := &c.shards[key.digest[0]%identityShards]
	shard.mu.Lock()
	id, ok := shard.lru.Get(key)
	shard.mu.Unlock()
	if !ok || id.record != p.record || !p.now.Before(id.renew) || !slices.Equal(id.bound, bound) {
		return nil
	}
	return id
}

func (c *identityCache) put(p *passage, id *identity) {
	key := c.key(p, id.bound)
	shard := &c.shards[key.digest[0]%identityShards]
	shard.mu.Lock()
	shard.lru.Add(key, id)
	shard.mu.Unlock()
}

func (c *identityCache) key(p *passage, bound []boundResource) identityKey {
	key := identityKey{digest: p.digest, verdict: p.verdict}
	if len(bound) == 0 {
		return key
	}
	var h maphash.Hash
	h.SetSeed(c.seed)
	for i := range bound {
		_, _ = h.WriteString(bound[i].name)
		_ = h.WriteByte(0)
		_, _ = h.WriteString(bound[i].value)
		_ = h.WriteByte(0)
	}
	key.bound = h.Sum64()
	return key
}
