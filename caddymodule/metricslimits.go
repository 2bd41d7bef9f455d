package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"
)

func newLimitVec(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + name, Help: help}, []string{"limit"})
}

// limitMeter counts what a limit of a gate does.
type limitMeter struct {
	name            string
	takes, refusals prometheus.Counter
}
