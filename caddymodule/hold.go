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

// linger is how long a configuration that was replaced keeps what it has opened.
// Caddy does not wait for its requests, and connections that it has accepted may
// still bring some for a few seconds.
const linger = 10 * time.Second

// lingering has the holds of configurations that were replaced not long ago.
var lingering sync.Map // *hold → struct{}

// hold keeps what a configuration has opened until nobody needs it any more: not
// the configuration itself, and none of its requests whose body is being read.
// Others are through before linger is over.
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

// end gives back what stops working when it is closed. The rest of the
// configuration is not held, so that its memory is free at once.
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

// Cleanup lets go of what Provision took, apart from what requests may still need
// when a newer configuration runs.
func (a *App) Cleanup() error {
	a.hold.source, a.hold.redis = a.source, a.counters.redis
	err := errors.Join(a.signer.release(), a.counters.release(), a.watch.release())
	switch {
	case caddy.ActiveContext().Context == nil: // nothing is to run any more
		endLingering()
		a.hold.leave() // last, so that the last snapshot of the cache is its own
	case a.started:
		a.hold.expire()
	default:
		a.hold.leave()
	}
	return err
}
