// Package metrics counts what gates do, for Prometheus.
package metrics

import "github.com/prometheus/client_golang/prometheus"

// Prefix is the start of the names of all metrics.
const Prefix = "ingest_auth_"

// Meters are what all gates count together.
type Meters struct {
	requests requestCounts
	lookups  lookupCounts
	copies   copyCounts
	// Keys are requests by key. They are not among Collectors.
	Keys *KeyCounts

	handlerUnread prometheus.Histogram // of requests whose body was not read
	handlerRead   prometheus.Histogram
	handler       *prometheus.HistogramVec

	SourceOK     prometheus.Observer
	SourceFailed prometheus.Observer
	source       *prometheus.HistogramVec
	Unusable     prometheus.Counter

	limitTakes    *prometheus.CounterVec
	limitRefusals *prometheus.CounterVec

	Evictions      Lasting
	redisOutages   Lasting
	redisFallbacks Lasting
}

// New returns meters that have counted nothing.
func New() *Meters {
	m := &Meters{
		Keys: newKeyCounts(maxMeteredKeys),
		handler: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    Prefix + "handler_duration_seconds",
			Help:    "Time that the gate itself spends on a request, until it passes the request on or refuses it.",
			Buckets: handlerBuckets,
		}, []string{"body"}),
		source: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    Prefix + "source_duration_seconds",
			Help:    "Time that reading a record from the source took.",
			Buckets: sourceBuckets,
		}, []string{"result"}),
		Unusable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: Prefix + "unusable_records_total",
			Help: "Reads of the source that returned a malformed record.",
		}),
		limitTakes:    newLimitVec("limit_takes_total", "Times a request was counted by the limit."),
		limitRefusals: newLimitVec("limit_refusals_total", "Times the limit refused a request."),
	}
	m.handlerUnread = m.handler.WithLabelValues("unread").(prometheus.Histogram)
	m.handlerRead = m.handler.WithLabelValues("read").(prometheus.Histogram)
	m.SourceOK = m.source.WithLabelValues("ok")
	m.SourceFailed = m.source.WithLabelValues("error")
	return m
}

// Buckets in seconds. A known key takes microseconds, a body as long as its client
// needs.
var (
	handlerBuckets = []float64{5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	sourceBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
)

// Collectors returns everything that counts for the life of the process.
func (m *Meters) Collectors() []prometheus.Collector {
	return []prometheus.Collector{
		&m.requests, &m.lookups, &m.copies, m.handler, m.source, m.Unusable, m.limitTakes, m.limitRefusals,
		m.Evictions.counter("cache_evictions_total", "Records dropped from the cache because it was full."),
		m.redisOutages.counter("redis_outages_total", "Times the gate stopped using Redis."),
		m.redisFallbacks.counter("redis_fallbacks_total", "Times limits were not counted in Redis, because it could not be used."),
	}
}

func newLimitVec(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: Prefix + name, Help: help}, []string{"limit"})
}
