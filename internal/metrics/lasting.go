package metrics

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// Lasting adds up the counts of things that are replaced when their settings change, such
// as the cache: the sum must not decrease when a configuration replaces one.
type Lasting struct {
	mu    sync.Mutex
	ended uint64
	live  map[*func() uint64]struct{}
}

// Follow adds the count that read returns, until end is called.
func (l *Lasting) Follow(read func() uint64) (end func()) {
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

func (l *Lasting) sum() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	sum := l.ended
	for read := range l.live {
		sum += (*read)()
	}
	return sum
}

// FollowRedis counts outages and fallbacks of Redis, until end is called.
func (m *Meters) FollowRedis(r *limit.Resilient) (end func()) {
	outages := m.redisOutages.Follow(func() uint64 { return r.Health().Outages })
	fallbacks := m.redisFallbacks.Follow(func() uint64 { return r.Health().Degraded })
	return func() { outages(); fallbacks() }
}

// counter shows the sum.
func (l *Lasting) counter(name, help string) prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: Prefix + name, Help: help}, func() float64 {
		return float64(l.sum())
	})
}
