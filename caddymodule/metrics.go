package caddymodule

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/internal/metrics"
)

// meters are what the gates count. There is one set for the life of the process:
// Caddy makes a new registry with every configuration, and a counter must not go
// back.
var meters = metrics.New()

// registerMetrics registers the metrics in a registry, once. The registry may belong to a
// configuration that then fails to load: Caddy keeps the admin endpoint of that
// configuration, and its registry.
func registerMetrics(registry *prometheus.Registry) error {
	for _, c := range meters.Collectors() {
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

// runningMetrics collects metrics that depend on the configuration. It always uses the
// running configuration, not the one of the registry.
type runningMetrics struct{}

// Describe implements prometheus.Collector. It describes nothing, because the metrics
// differ between configurations.
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
		meters.Keys.Collect(ch)
	}
}
