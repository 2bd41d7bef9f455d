package caddymodule

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// frontCache is the cache in front of a source. It follows what the source tells of
// changes, and outlives itself where the source has a place.
type frontCache struct {
	*cache.Cache
	place    string // where the records are, "" if the source does not tell
	snapshot *snapshotter
	unmeter  func()

	unwatch  context.CancelFunc
	watching sync.WaitGroup
}

// openCache puts a cache in front of the source.
func (a *App) openCache(ctx caddy.Context) (err error) {
	origin, place := a.source.origin, ""
	if l, ok := origin.value.(keysync.Located); ok {
		place = a.source.kind + " " + l.Identity()
	}
	if a.Cache.Snapshot > 0 && place == "" {
		return fmt.Errorf("ingest_auth: cache snapshot: the source %s does not tell where its records are, so a snapshot might be of others; remove `snapshot`", a.source.kind)
	}
	storage, signer := ctx.Storage(), a.signer.value
	derive := func() ([][]byte, error) { return signer.Derive("ingest_auth cache snapshot", time.Now()) }
	key := fmt.Sprintf("cache of %s %+v %s", origin.key, a.Cache, a.signer.key)
	a.source.cache, err = fromPool(key, a.log.Named("keys"), func(log *zap.Logger) (*frontCache, func(), error) {
		c, err := newFrontCache(origin.value, place, a.Cache, log)
		if err != nil {
			return nil, nil, err
		}
		c.keep(storage, derive, time.Duration(a.Cache.Snapshot), log)
		c.watch(origin.value)
		return c, c.close, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	return nil
}

func newFrontCache(origin keysync.Source, place string, s config.Cache, log *zap.Logger) (*frontCache, error) {
	opts := cache.Options{
		Size: s.Size, Fresh: time.Duration(s.Fresh), Unknown: time.Duration(s.Unknown), Outage: time.Duration(s.Outage), Reads: s.Reads,
	}
	if t, ok := origin.(keysync.Timed); ok {
		opts.Timeout = t.Timeout()
	}
	c, err := cache.New(meteredSource{origin}, opts)
	if err != nil {
		return nil, err
	}
	return &frontCache{
		Cache: c, place: place,
		unmeter: meters.Evictions.Follow(func() uint64 { return c.Stats().Evicted }),
		unwatch: func() {},
	}, nil
}

// keep takes over what is known already of the records in this place, and sees to it that
// what this cache knows is not lost.
func (c *frontCache) keep(storage certmagic.Storage, derive deriveFunc, every time.Duration, log *zap.Logger) {
	if c.place == "" {
		return
	}
	if before := runningCaches.add(c.place, c.Cache); before != nil {
		takeOver(c.Cache, before, log)
	}
	if every > 0 {
		c.snapshot = startSnapshots(c.Cache, c.place, storage, derive, every, log)
	}
}

// watch follows changes, if the source tells of them.
func (c *frontCache) watch(origin keysync.Source) {
	w, ok := origin.(keysync.Watcher)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	c.unwatch = cancel
	c.watching.Go(func() { w.Watch(ctx, c.Cache) })
}

// close ends everything; the last snapshot is written before the cache is gone.
func (c *frontCache) close() {
	if c.snapshot != nil {
		c.snapshot.close()
	}
	runningCaches.remove(c.place, c.Cache)
	c.unwatch()
	c.watching.Wait()
	_ = c.Cache.Close() // never fails
	c.unmeter()
}
