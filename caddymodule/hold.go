package caddymodule

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// linger is how long a replaced configuration keeps what it has opened. Caddy does not
// wait for its requests, and its open connections may still bring new ones for a few
// seconds.
const linger = 10 * time.Second

// lingering has the holds of recently replaced configurations.
var lingering sync.Map // *hold → struct{}

// hold keeps what a configuration has opened until nobody needs it any more: neither the
// configuration itself nor any of its requests with a body. Other requests have passed
// the gate before linger is over.
type hold struct {
	users atomic.Int64
	once  sync.Once

	source sourceShares
	redis  *pooled[*limit.Resilient]
}

func newHold() *hold {
	h := new(hold)
	h.enter() // the configuration
	return h
}

// end gives back what no longer works after it is closed. The rest of the configuration
// is not held, so that its memory is free at once.
func (h *hold) end() {
	if err := errors.Join(h.source.release(), h.redis.release()); err != nil {
		caddy.Log().Named(appID).Error("cannot release a replaced configuration", zap.Error(err))
	}
}

func (h *hold) enter() { h.users.Add(1) }

func (h *hold) leave() {
	if h.users.Add(-1) == 0 {
		h.once.Do(h.end)
	}
}

// expire lets the configuration leave after a while.
func (h *hold) expire() {
	lingering.Store(h, nil)
	time.AfterFunc(linger, func() {
		if _, ok := lingering.LoadAndDelete(h); ok {
			h.leave()
		}
	})
}

// endLingering lets all configurations leave that were replaced.
func endLingering() {
	lingering.Range(func(h, _ any) bool {
		if _, ok := lingering.LoadAndDelete(h); ok {
			h.(*hold).leave()
		}
		return true
	})
}

// Cleanup releases what Provision took, except what requests may still need when a newer
// configuration runs.
func (a *App) Cleanup() error {
	a.hold.source, a.hold.redis = a.source, a.counters.redis
	err := errors.Join(a.signer.release(), a.counters.release(), a.watch.release())
	switch {
	case caddy.ActiveContext().Context == nil: // Caddy is stopping
		endLingering()
		a.hold.leave() // last, so that it writes the last snapshot of the cache
	case a.started:
		a.hold.expire()
	default:
		a.hold.leave()
	}
	return err
}
