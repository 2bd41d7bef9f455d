package caddymodule

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// inFlight is the name of the limit of requests in flight.
const inFlight = "in_flight"

func newLimitVec(name, help string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: metricsPrefix + name, Help: help}, []string{"limit"})
}

// limitMeter counts what a limit of a gate does.
type limitMeter struct {
	name            string
	takes, refusals prometheus.Counter
}

func newLimitMeter(name string) limitMeter {
	return limitMeter{name, meters.limitTakes.WithLabelValues(name), meters.limitRefusals.WithLabelValues(name)}
}

// newLimitMeters returns the meters of all limits of a gate: the names of limits
// are looked up once and not for every request.
func newLimitMeters(g *config.Gate) []limitMeter {
	var list []limitMeter
	add := func(name string) {
		list = append(list, newLimitMeter(name))
	}
	for _, l := range g.Limits {
		add(l.Name)
	}
	if g.LimitFailures != (config.Rate{}) {
		add(limitFailures)
	}
	if g.InFlight != (config.InFlight{}) {
		add(inFlight)
	}
	return list
}

// limitMeter returns the meter of a limit of the gate.
func (g *Gate) limitMeter(name string) limitMeter {
	for _, m := range g.limitMeters {
		if m.name == name {
			return m
		}
	}
	return newLimitMeter(name)
}

// meterLimits counts what the limits said of a request: they take from all their
// counters or from none.
func (g *Gate) meterLimits(p *passage, verdict int) {
	if verdicts[verdict] == refInFlight.code {
		g.limitMeter(inFlight).refusals.Inc()
	}
	if p.flights != nil {
		g.limitMeter(inFlight).takes.Inc()
	}
	if p.tally == nil {
		return
	}
	refused := p.tally.states[p.tally.closest].Refused
	for i := range p.tally.takes {
		switch m := g.limitMeter(p.tally.takes[i].Limit); {
		case p.tally.states[i].Refused:
			m.refusals.Inc()
		case !refused:
			m.takes.Inc()
		}
	}
}
