package caddymodule

import (
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
)

// watchShares are the shares of the pool that the admin routes show. All
// configurations share them, so that a reload loses nothing.
type watchShares struct {
	flow   *pooled[*flow.Recorder]
	recent *pooled[*recentEvents] // nil unless recent events are kept
}

func (s *watchShares) release() error {
	return errors.Join(s.flow.release(), s.recent.release())
}

// openWatch takes over what was seen under the running configuration, or starts
// anew.
func (a *App) openWatch() (err error) {
	a.watch.flow, err = fromPool("flow", a.log, func(*zap.Logger) (*flow.Recorder, func(), error) {
		return flow.NewRecorder(), func() {}, nil
	})
	if err != nil || a.RecentEvents != "on" {
		return err
	}
	a.watch.recent, err = fromPool("recent events", a.log, func(*zap.Logger) (*recentEvents, func(), error) {
		return new(recentEvents), func() {}, nil
	})
	return err
}

// noteFlow remembers what became of a request.
func (g *Gate) noteFlow(r *http.Request, p *passage, verdict string) {
	g.watch.flow.value.Note(p.now, p.record, verdict, limitOf(p))
	if g.watch.recent != nil {
		g.noteRecent(r, p, verdict)
	}
}

// limitOf describes the limit that the answer to the request describes.
func limitOf(p *passage) flow.Limit {
	if p.tally == nil {
		return flow.Limit{}
	}
	s := &p.tally.states[p.tally.closest]
	return flow.Limit{Name: p.tally.takes[p.tally.closest].Limit, Limit: s.Limit, Remaining: s.Remaining, Reset: s.Reset}
}
