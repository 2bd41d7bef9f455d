// Package keycache puts the cache in front of a source. If the source has a place, the records
// outlive the cache: the next cache of that place takes them over, and a snapshot keeps them.
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

// Options are the settings of the cache in front of a source.
type Options struct {
	// Settings are those of the cache. A snapshot needs a Place.
	Settings config.Cache

	// Place is where the records are, "" if the source does not say.
	Place string

	// Storage keeps snapshots, which are authenticated with what Derive returns.
	Storage certmagic.Storage
	Derive  DeriveFunc

	// Meter is told of each read of the source.
	Meter func(took time.Duration, err error)
}

// Cache is a cache that follows the changes that its source reports.
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

// keep takes over the records that are already known for this place, and makes sure that
// the records of this cache are not lost.
func (c *Cache) keep(o Options, log *zap.Logger) {
	if before := runningCaches.add(c.place, c.Cache); before != nil {
		takeOver(c.Cache, before, log)
	}
	if every := time.Duration(o.Settings.Snapshot); every > 0 {
		c.snapshot = startSnapshots(c.Cache, c.place, o.Storage, o.Derive, every, log)
	}
}

// watch follows changes, if the source reports them.
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
