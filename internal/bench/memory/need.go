//go:build linux

package main

import (
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

// need is what a process had in memory while it was watched, in MiB.
type need struct {
	resident  float64 // at most
	anonymous float64 // at most; what the kernel cannot take back
	files     float64 // pages of the binary that were used; the kernel drops the others when it must
}

// least is the smallest limit that it would have run in.
func (n need) least() float64 { return n.anonymous + n.files }

// often is how often memory is looked at.
const often = 20 * time.Millisecond

// watcher looks at a process until it is told to end.
type watcher struct {
	p    *rig.Process
	stop chan struct{}
	done chan error
	seen need
}

func watch(p *rig.Process) (*watcher, error) {
	if err := p.ForgetUse(); err != nil {
		return nil, err
	}
	w := &watcher{p: p, stop: make(chan struct{}), done: make(chan error)}
	go func() { w.done <- w.look() }()
	return w, nil
}

func (w *watcher) look() error {
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for {
		m, err := w.p.Memory()
		if err != nil {
			return err
		}
		w.seen.resident, w.seen.anonymous = max(w.seen.resident, m.Resident), max(w.seen.anonymous, m.Anonymous)
		select {
		case <-w.stop:
			return nil
		case <-ticker.C:
		}
	}
}

// end returns what was seen.
func (w *watcher) end() (need, error) {
	close(w.stop)
	if err := <-w.done; err != nil {
		return need{}, err
	}
	var err error
	w.seen.files, err = w.p.FilePagesInUse()
	return w.seen, err
}
