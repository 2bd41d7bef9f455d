package caddymodule

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
)

// newGauges show the present state of what the configuration uses.
func (a *App) newGauges() []prometheus.Collector {
	budget := a.counters.memory.value
	list := []prometheus.Collector{
		newGauge("buffer_bytes", "Memory that request bodies take.", func() float64 { return float64(budget.Held()) }),
		newGauge("buffer_limit_bytes", "Memory that request bodies may take.", func() float64 { return float64(a.BufferMemory) }),
	}
	if signer := a.signer.value; a.Sign.Algorithm != "HS256" {
		list = append(list, newGauge("signing_key_age_seconds", "How long the key that signs assertions has been doing so.",
			func() float64 { return signer.KeyAge(time.Now()).Seconds() }))
	}
	if a.counters.redis != nil {
		redis := a.counters.redis.value
		list = append(list, newGauge("redis_up", "1 while limits count in Redis.", func() float64 { return oneIf(redis.Health().Up) }))
	}
	switch s := a.source.value.(type) {
	case *file.Source:
		return append(list, fileGauges(s)...)
	case *vaultSource:
		return append(list, vaultGauges(s)...)
	}
	return list
}

func fileGauges(f *file.Source) []prometheus.Collector {
	return []prometheus.Collector{
		newGauge("file_records", "Records in the key file.", func() float64 { return float64(f.Len()) }),
		sourceUp(func() bool { return f.Status().Problem == "" }),
	}
}

func vaultGauges(s *vaultSource) []prometheus.Collector {
	began := time.Now() // what the lag counts from before the first poll
	return []prometheus.Collector{
		newGauge("cache_records", "Records in the cache.", func() float64 { return float64(s.Stats().Records) }),
		sourceUp(func() bool { return s.vault.Ready() == nil }),
		newGauge("change_feed_lag_seconds", "Time since the change feed was last read.", func() float64 {
			last := s.feed.LastRead()
			if last.IsZero() {
				last = began
			}
			return max(0, time.Since(last).Seconds())
		}),
		newGauge("change_feed_last_success_timestamp_seconds", "When the change feed was last read, in Unix time; 0 if never.", func() float64 {
			last := s.feed.LastRead()
			if last.IsZero() {
				return 0
			}
			return float64(last.UnixMilli()) / 1000
		}),
	}
}

func sourceUp(up func() bool) prometheus.Collector {
	return newGauge("source_up", "1 while the source of the keys can be read.", func() float64 { return oneIf(up()) })
}

func newGauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: metricsPrefix + name, Help: help}, value)
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
