package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

const metricsPrefix = "ingest_auth_"

// meters are what the gates count. There is one set for the life of the process:
// Caddy makes a new registry with every configuration, and a counter must not go
// back.
var meters = newGateMeters()

type gateMeters struct {
	requests requestCounts
	lookups  lookupCounts
	keys     *keyCounts

	handlerUnread prometheus.Histogram // of requests whose body was not read
	handlerRead   prometheus.Histogram
	handler       *prometheus.HistogramVec

	sourceOK     prometheus.Observer
	sourceFailed prometheus.Observer
	source       *prometheus.HistogramVec
	unusable     prometheus.Counter

	limitTakes    *prometheus.CounterVec
	limitRefusals *prometheus.CounterVec

	evictions      lasting
	redisOutages   lasting
	redisFallbacks lasting
}

func newGateMeters() *gateMeters {
	m := &gateMeters{
		keys: newKeyCounts(maxMeteredKeys),
		handler: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    metricsPrefix + "handler_duration_seconds",
			Help:    "The gate's own time for a request, until it hands it on or refuses it.",
			Buckets: handlerBuckets,
		}, []string{"body"}),
		source: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    metricsPrefix + "source_duration_seconds",
			Help:    "Time that reads of records from Vault took.",
			Buckets: sourceBuckets,
		}, []string{"result"}),
		unusable: prometheus.NewCounter(prometheus.CounterOpts{
			Name: metricsPrefix + "unusable_records_total",
			Help: "Reads of Vault that gave a malformed record.",
		}),
		limitTakes:    newLimitVec("limit_takes_total", "Times a counter of the limit was taken from."),
		limitRefusals: newLimitVec("limit_refusals_total", "Times a counter of the limit refused a request."),
	}
	m.handlerUnread = m.handler.WithLabelValues("unread").(prometheus.Histogram)
	m.handlerRead = m.handler.WithLabelValues("read").(prometheus.Histogram)
	m.sourceOK = m.source.WithLabelValues("ok")
	m.sourceFailed = m.source.WithLabelValues("error")
	return m
}

// Buckets in seconds. A known key takes microseconds, a body as long as its client
// needs.
var (
	handlerBuckets = []float64{5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	sourceBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}
)

// collectors returns all that counts for the life of the process.
func (m *gateMeters) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		&m.requests, &m.lookups, m.handler, m.source, m.unusable, m.limitTakes, m.limitRefusals,
		m.evictions.counter("cache_evictions_total", "Records that left the cache because it was full."),
		m.redisOutages.counter("redis_outages_total", "Times the gate gave Redis up."),
		m.redisFallbacks.counter("redis_fallbacks_total", "Times limits were counted, or not, without Redis."),
	}
}

// registerMetrics shows the metrics in a registry, once. The registry may be that of
// a configuration which will fail to load: Caddy keeps the admin endpoint that it
// made for it, and with that its registry.
func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range meters.collectors() {
		err := registry.Register(c)
		if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return registry.Register(runningMetrics{})
}

// runningMetrics collects what depends on the configuration: always on the one that
// is running, and not on that of the registry.
type runningMetrics struct{}

// Describe implements prometheus.Collector. It describes nothing, because that
// differs between configurations.
func (runningMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (runningMetrics) Collect(ch chan<- prometheus.Metric) {
	app, err := runningApp()
	if err != nil {
		return // there are no gates
	}
	for _, c := range app.gauges {
		c.Collect(ch)
	}
	if app.Metrics.PerKey {
		meters.keys.Collect(ch)
	}
}
