package caddymodule

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// lasting adds up what things count that come and go with their settings, such as
// the cache: the sum must not go back when a configuration replaces one.
type lasting struct {
	mu    sync.Mutex
	ended uint64
	live  map[*func() uint64]struct{}
}

// follow adds what read counts, until end is called.
func (l *lasting) follow(read func() uint64) (end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.live == nil {
		l.live = make(map[*func() uint64]struct{})
	}
	l.live[&read] = struct{}{}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.ended += read()
		delete(l.live, &read)
	}
}

func (l *lasting) sum() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.ended
	for read := range l.live {
		sum += (*read)()
	}
	return sum
}

// follow counts what befalls Redis, until the end is called.
func (m *gateMeters) follow(r *limit.Resilient) (end func()) {
	outages := m.redisOutages.follow(func() uint64 { return r.Health().Outages })
	fallbacks := m.redisFallbacks.follow(func() uint64 { return r.Health().Degraded })
	return func() { outages(); fallbacks() }
}

// counter shows the sum.
func (l *lasting) counter(name, help string) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: metricsPrefix + name, Help: help}, func() float64 {
		return float64(l.sum())
	})
}
