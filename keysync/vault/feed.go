package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

const feedPoll = time.Second

// Watch follows the change feed, the document
//
//	<mount>/data/<prefix>/changes
//
// and makes a cache forget what has changed, until ctx ends. It reads that one document
// about once a second. If the document cannot tell what has changed, all records are
// doubted. If there is no document, records are read again only when they are no longer
// fresh.
func (v *Source) Watch(ctx context.Context, to keysync.Invalidator) {
	v.watch(ctx, to, feedPoll)
}

func (v *Source) watch(ctx context.Context, to keysync.Invalidator, every time.Duration) {
	f := &feed{vault: v, cache: to, log: v.log}
	for ctx.Err() == nil {
		began := time.Now()
		f.poll(ctx)
		_ = background.Sleep(ctx, every-time.Since(began))
	}
}

// feed is how far the change feed has been followed for one cache.
type feed struct {
	vault *Source
	cache keysync.Invalidator
	log   *zap.Logger

	at     position
	broken int    // version of the damaged document that was handled
	state  string // what was logged last
}

// changesRead returns when Vault last answered what is in the feed, or that there is
// none. It is zero before the first time.
func (v *Source) changesRead() time.Time {
	if ns := v.feedRead.Load(); ns != 0 {
		return time.Unix(0, ns)
	}
	return time.Time{}
}

// poll reads the feed once. Without a login it does nothing; login problems have their
// own log.
func (f *feed) poll(ctx context.Context) {
	if f.vault.notReady() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, f.vault.opts.Timeout)
	defer cancel()
	doc, err := f.vault.read(ctx, f.vault.dataPath(changesPath))
	switch {
	case errors.Is(err, keysync.ErrUnknown):
		f.vault.feedRead.Store(time.Now().UnixNano())
		f.gone()
		if f.vault.FoundNothing() {
			f.note("empty", "no change feed exists, and no record has been found yet: check mount and prefix; every key is refused until one is found", nil)
			return
		}
		f.note("missing", "no change feed exists: changes take effect when records are no longer fresh", nil)
		return
	case err != nil:
		if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			f.note("unreadable", "change feed cannot be read: changes take effect when records are no longer fresh", err)
		}
		return
	}
	c, err := parseChanges(doc.Data)
	if err != nil {
		f.damaged(doc.Metadata.Version, err)
		return
	}
	f.vault.feedRead.Store(time.Now().UnixNano())
	f.follow(c)
}

// follow forgets the digests that have changed according to c.
func (f *feed) follow(c *changes) {
	changed, ok := c.since(f.at)
	if !ok {
		f.cache.Doubt()
	}
	f.cache.Forget(changed...)
	f.at, f.broken = c.position(), 0
	f.note("followed", "following the change feed", nil)
}

// damaged handles a document that cannot be read, once for each version.
func (f *feed) damaged(version int, err error) {
	if f.broken != version {
		f.cache.Doubt()
		f.at, f.broken = position{}, version
	}
	f.note("damaged", "change feed is damaged: changes take effect when records are no longer fresh; repair or delete it",
		fmt.Errorf("%s %w", f.vault.dataPath(changesPath), err))
}

// gone handles a document that no longer exists.
func (f *feed) gone() {
	if f.at != (position{}) {
		f.cache.Doubt()
	}
	f.at, f.broken = position{}, 0
}

// note logs the state of the feed, once per change.
func (f *feed) note(state, message string, err error) {
	if state == f.state {
		return
	}
	f.state = state
	if state == "followed" {
		f.log.Info(message)
		return
	}
	f.log.Warn(message, zap.String("path", f.vault.dataPath(changesPath)), zap.Error(err))
}
