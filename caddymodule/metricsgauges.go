package caddymodule

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/internal/metrics"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// newGauges returns gauges of the current state of what the configuration uses.
func (a *App) newGauges() []prometheus.Collector {
	budget := a.counters.memory.value
	list := []prometheus.Collector{
		newGauge("buffer_bytes", "Memory that request bodies use.", func() float64 { return float64(budget.Held()) }),
		newGauge("buffer_limit_bytes", "Memory that request bodies may use.", func() float64 { return float64(a.BufferMemory) }),
	}
	if signer := a.signer.value; a.Sign.Algorithm != "HS256" {
		list = append(list, newGauge("signing_key_age_seconds", "How long the current key has signed assertions.",
			func() float64 { return signer.KeyAge(time.Now()).Seconds() }))
	}
	if a.counters.redis != nil {
		redis := a.counters.redis.value
		list = append(list, newGauge("redis_up", "1 while limits count in Redis.", func() float64 { return oneIf(redis.Health().Up) }))
	}
	return append(list, a.source.gauges()...)
}

// gauges show the state of the source, as far as it knows it.
func (s *sourceShares) gauges() (list []prometheus.Collector) {
	_, reports := s.status()
	_, watches := s.origin.value.(keysync.Watcher)
	status := func() keysync.Status { st, _ := s.status(); return st }
	if s.cache != nil {
		list = append(list, newGauge("cache_records", "Records in the cache.", func() float64 { return float64(s.cache.value.Stats().Records) }))
	}
	if !reports {
		return list
	}
	list = append(list, newGauge("source_up", "1 while the source of the keys can be read.", func() float64 { return oneIf(status().Problem == "") }))
	if s.cache == nil {
		name := strings.Map(metricRune, s.kind) + "_records"
		list = append(list, newGauge(name, "Records that the source holds.", func() float64 { return float64(status().Records) }))
	}
	if s.cache != nil && watches {
		list = append(list, changeGauges(func() time.Time { return status().ChangesAt })...)
	}
	return list
}

// metricRune replaces characters that are not allowed in the name of a metric.
func metricRune(r rune) rune {
	if (r < 'a' || r > 'z') && (r < '0' || r > '9') {
		return '_'
	}
	return r
}

func changeGauges(read func() time.Time) []prometheus.Collector {
	began := time.Now() // the lag counts from here until the first read
	return []prometheus.Collector{
		newGauge("change_feed_lag_seconds", "Time since the change feed was last read.", func() float64 {
			last := read()
			if last.IsZero() {
				last = began
			}
			return max(0, time.Since(last).Seconds())
		}),
		newGauge("change_feed_last_success_timestamp_seconds", "When the change feed was last read, in Unix time; 0 if never.", func() float64 {
			last := read()
			if last.IsZero() {
				return 0
			}
			return float64(last.UnixMilli()) / 1000
		}),
	}
}

func newGauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metrics.Prefix + name, Help: help}, value)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
