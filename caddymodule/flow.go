package caddymodule

import (
	"errors"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
)

// watchShares are the shares of the pool that the admin routes show. All
// configurations share them, so that a reload loses nothing.
type watchShares struct {
	flow   *pooled[*flow.Recorder]
	recent *pooled[*flow.Events] // nil unless recent events are kept
}

func (s *watchShares) release() error {
	return errors.Join(s.flow.release(), s.recent.release())
}

// openWatch takes over what was seen under the running configuration, or starts empty.
func (a *App) openWatch() (err error) {
	a.watch.flow, err = fromPool("flow", a.log, func(*zap.Logger) (*flow.Recorder, func(), error) {
		return flow.NewRecorder(), func() {}, nil
	})
	if err != nil || a.RecentEvents != "on" {
		return err
	}
	a.watch.recent, err = fromPool("recent events", a.log, func(*zap.Logger) (*flow.Events, func(), error) {
		return new(flow.Events), func() {}, nil
	})
	return err
}
