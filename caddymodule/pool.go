package caddymodule

import (
	"slices"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule/logs"
)

// pool keeps what must survive a configuration reload. Its keys are made of settings,
// never of secrets.
var pool = caddy.NewUsagePool()

// pooled is a share of something in the pool. A nil share releases nothing, so
// that Cleanup works after a Provision that failed half-way.
type pooled[T any] struct {
	key   string
	value T
	entry *poolEntry
	log   *zapcore.Core
}

// poolEntry is what all shares of a value have in common.
type poolEntry struct {
	value any
	log   *logs.SwapCore
	close func()

	mu   sync.Mutex
	logs []*zapcore.Core // of the shares, the newest last
}

// join makes everything write to the log of a new share.
func (e *poolEntry) join(log *zapcore.Core) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = append(e.logs, log)
	e.log.Swap(*log)
}

// leave goes back to the newest remaining log, because a refused configuration releases
// its share before the older ones.
func (e *poolEntry) leave(log *zapcore.Core) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs = slices.DeleteFunc(e.logs, func(l *zapcore.Core) bool { return l == log })
	if n := len(e.logs); n > 0 {
		e.log.Swap(*e.logs[n-1])
	}
}

// Destruct implements caddy.Destructor.
func (e *poolEntry) Destruct() error {
	e.close()
	return nil
}

// fromPool returns a share of the value in the pool under key. If there is none, open
// makes it. The logger for open always writes to the log of the newest share, because the
// log of the first share closes with its configuration.
func fromPool[T any](key string, log *zap.Logger, open func(*zap.Logger) (T, func(), error)) (*pooled[T], error) {
	v, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) {
		core := logs.NewSwapCore(log.Core())
		value, closer, err := open(log.WithOptions(zap.WrapCore(func(zapcore.Core) zapcore.Core { return core })))
		if err != nil {
			return nil, err
		}
		return &poolEntry{value: value, log: core, close: closer}, nil
	})
	if err != nil {
		return nil, err
	}
	entry := v.(*poolEntry)
	core := log.Core()
	entry.join(&core)
	return &pooled[T]{key: key, value: entry.value.(T), entry: entry, log: &core}, nil
}

// release gives the share back; the last one closes the value.
func (p *pooled[T]) release() error {
	if p == nil {
		return nil
	}
	p.entry.leave(p.log)
	_, err := pool.Delete(p.key)
	return err
}
