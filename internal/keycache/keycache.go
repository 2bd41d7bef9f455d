// Package keycache puts the cache in front of a source. What the cache knows outlives it where
// the source has a place: the next cache of that place takes it over, and a snapshot keeps it.
package keycache

import (
	"context"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// Options say what is in front of a source.
type Options struct {
	// Settings are those of the cache. A snapshot needs a Place.
	Settings config.Cache

	// Place is where the records are, "" if the source does not tell.
	Place string

	// Storage keeps snapshots, which are authenticated with what Derive returns.
	Storage certmagic.Storage
	Derive  DeriveFunc

	// Meter is told of each read of the source.
	Meter func(took time.Duration, err error)
}

// Cache is a cache that follows what its source tells of changes.
type Cache struct {
	*cache.Cache
	place    string
	snapshot *snapshotter // nil if there is none

	unwatch  context.CancelFunc
	watching sync.WaitGroup
}

// Open puts a cache in front of origin. Close closes it and not the source.
func Open(origin keysync.Source, o Options, log *zap.Logger) (*Cache, error) {
	s := o.Settings
	opts := cache.Options{
		Size: s.Size, Fresh: time.Duration(s.Fresh), Unknown: time.Duration(s.Unknown), Outage: time.Duration(s.Outage), Reads: s.Reads,
	}
	if t, ok := origin.(keysync.Timed); ok {
		opts.Timeout = t.Timeout()
	}
	inner, err := cache.New(meteredSource{origin, o.Meter}, opts)
	if err != nil {
		return nil, err
	}
	c := &Cache{Cache: inner, place: o.Place, unwatch: func() {}}
	if c.place != "" {
		c.keep(o, log)
	}
	c.watch(origin)
	return c, nil
}

// keep takes over what is known already of the records in this place, and sees to it that
// what this cache knows is not lost.
func (c *Cache) keep(o Options, log *zap.Logger) {
	if before := runningCaches.add(c.place, c.Cache); before != nil {
		takeOver(c.Cache, before, log)
	}
	if every := time.Duration(o.Settings.Snapshot); every > 0 {
		c.snapshot = startSnapshots(c.Cache, c.place, o.Storage, o.Derive, every, log)
	}
}

// watch follows changes, if the source tells of them.
func (c *Cache) watch(origin keysync.Source) {
	w, ok := origin.(keysync.Watcher)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.unwatch = cancel
	c.watching.Go(func() { w.Watch(ctx, c.Cache) })
}

// Close ends everything; the last snapshot is written before the cache is gone.
func (c *Cache) Close() error {
	if c.snapshot != nil {
		c.snapshot.close()
	}
	runningCaches.remove(c.place, c.Cache)
	c.unwatch()
	c.watching.Wait()
	return c.Cache.Close()
}
