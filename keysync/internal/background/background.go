// Package background helps the sources and the cache to work in the background.
package background

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Sleep waits for a while, or until ctx ends, and returns the error of ctx then.
func Sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Jitter returns a time between half of d and one and a half of it.
func Jitter(d time.Duration) time.Duration {
	return d/2 + rand.N(d+1)
}

// Group runs functions until it is closed.
type Group struct {
	mu      sync.RWMutex
	closed  bool
	ctx     context.Context
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// NewGroup returns a group that runs nothing yet.
func NewGroup() *Group {
	g := new(Group)
	g.ctx, g.cancel = context.WithCancel(context.Background())
	return g
}

// Run starts fn, and reports whether it could. The context of fn ends with Close.
func (g *Group) Run(fn func(ctx context.Context)) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.closed {
		return false
	}
	g.running.Go(func() { fn(g.ctx) })
	return true
}

// Close ends what runs and waits for it.
func (g *Group) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.running.Wait()
}
