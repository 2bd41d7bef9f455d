package caddymodule

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/keycache"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// sourceNamespace is where the modules of sources are. Each is a keysync.Opener.
const sourceNamespace = appID + ".sources"

// sourceShares are the shares of the pool for looking up keys.
type sourceShares struct {
	kind   string // name of the module
	origin *pooled[keysync.Source]
	cache  *pooled[*keycache.Cache] // nil if the source needs no cache
	forget func()                   // ends the use of its keys in the logs; nil if it cannot recognize keys
}

// getter is where the gates look up keys.
func (s *sourceShares) getter() keysync.Getter {
	if s.cache != nil {
		return s.cache.value.Cache
	}
	return s.origin.value.(keysync.Getter)
}

// status returns the state of the source, if the source knows it.
func (s *sourceShares) status() (st keysync.Status, known bool) {
	r, known := s.origin.value.(keysync.Reporter)
	if known {
		st = r.Status()
	}
	return st, known
}

// tellLogs makes the keys of the source redacted everywhere in logs.
func (s *sourceShares) tellLogs() {
	if k, ok := s.getter().(keysync.Knower); ok {
		s.forget = keyNames.AddSource(k)
	}
}

func (s *sourceShares) release() error {
	if s.forget != nil {
		s.forget()
	}
	return errors.Join(s.cache.release(), s.origin.release())
}

// loadOpener loads the module of the source.
func (a *App) loadOpener(ctx caddy.Context) (err error) {
	if a.source.kind, err = a.App.Source(); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	if known := sourceNames(); !slices.Contains(known, a.source.kind) {
		return fmt.Errorf("ingest_auth: keys: %q is not one of %s", a.source.kind, strings.Join(known, ", "))
	}
	module, err := ctx.LoadModule(a, "Keys")
	if err != nil {
		return fmt.Errorf("ingest_auth: keys: %w", err)
	}
	opener, ok := module.(keysync.Opener)
	if !ok {
		return fmt.Errorf("ingest_auth: keys: module %s.%s is not a source: it does not implement keysync.Opener", sourceNamespace, a.source.kind)
	}
	a.opener = opener
	return nil
}

// sourceNames returns the names of all sources that this Caddy was built with.
func sourceNames() (names []string) {
	for _, m := range caddy.GetModules(sourceNamespace) {
		names = append(names, m.ID.Name())
	}
	return names
}

// openSource opens the source of the records, and the cache in front of it if it needs
// one. The signing keys must be open: they authenticate snapshots.
func (a *App) openSource(ctx caddy.Context) (err error) {
	key := fmt.Sprintf("keys %s %s", a.source.kind, a.opener.Settings())
	a.source.origin, err = fromPool(key, a.log.Named("keys"), func(log *zap.Logger) (keysync.Source, func(), error) {
		s, err := a.opener.Open(ctx, log)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { closeSource(s, log) }, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	if _, ok := a.source.origin.value.(keysync.Getter); ok {
		return nil
	}
	return a.openCache(ctx)
}

func closeSource(s keysync.Source, log *zap.Logger) {
	c, ok := s.(io.Closer)
	if !ok {
		return
	}
	if err := c.Close(); err != nil {
		log.Error("closing the key source", zap.Error(err))
	}
}

// openCache puts a cache in front of the source.
func (a *App) openCache(ctx caddy.Context) (err error) {
	origin, signer := a.source.origin, a.signer.value
	o := keycache.Options{
		Settings: a.Cache,
		Storage:  ctx.Storage(),
		Derive:   func() ([][]byte, error) { return signer.Derive("ingest_auth cache snapshot", time.Now()) },
		Meter:    meterRead,
	}
	if l, ok := origin.value.(keysync.Located); ok {
		o.Place = a.source.kind + " " + l.Place()
	} else if a.Cache.Snapshot > 0 {
		return fmt.Errorf("ingest_auth: cache snapshot: the source %s does not say where its records are, so a snapshot could hold the records of another place; remove `snapshot`", a.source.kind)
	}
	key := fmt.Sprintf("cache of %s %+v %s", origin.key, a.Cache, a.signer.key)
	a.source.cache, err = fromPool(key, a.log.Named("keys"), func(log *zap.Logger) (*keycache.Cache, func(), error) {
		c, err := keycache.Open(origin.value, o, log)
		if err != nil {
			return nil, nil, err
		}
		unmeter := meters.Evictions.Follow(func() uint64 { return c.Stats().Evicted })
		return c, func() { _ = c.Close(); unmeter() }, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	return nil
}

// meterRead measures a read of a source.
func meterRead(took time.Duration, err error) {
	unusable := errors.Is(err, keysync.ErrUnusable)
	if unusable {
		meters.Unusable.Inc()
	}
	if err == nil || errors.Is(err, keysync.ErrUnknown) || unusable {
		meters.SourceOK.Observe(took.Seconds())
	} else {
		meters.SourceFailed.Observe(took.Seconds())
	}
}
