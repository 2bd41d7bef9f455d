package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// gateMeter counts what one gate does. It allocates nothing and takes no lock that all
// requests share, except to count by key.
type gateMeter struct {
	meters *Meters
	limits []limitMeter // of all limits of the gate, so that their names are not looked up for every request
	perKey bool         // requests are also counted by key
}

// limitMeter counts what a limit of a gate does.
type limitMeter struct {
	name            string
	takes, refusals prometheus.Counter
}

// ForGate returns the meter of a gate with these settings. perKey says that requests are
// also counted by key.
func (m *Meters) ForGate(s *config.Gate, perKey bool) gate.Meter {
	meter := &gateMeter{meters: m, perKey: perKey}
	for _, l := range s.Limits {
		meter.limits = append(meter.limits, m.limitMeter(l.Name))
	}
	if s.LimitFailures != (config.Rate{}) {
		meter.limits = append(meter.limits, m.limitMeter(gate.LimitFailures))
	}
	if s.InFlight != (config.InFlight{}) {
		meter.limits = append(meter.limits, m.limitMeter(gate.LimitInFlight))
	}
	return meter
}

func (m *Meters) limitMeter(name string) limitMeter {
	return limitMeter{name, m.limitTakes.WithLabelValues(name), m.limitRefusals.WithLabelValues(name)}
}

// Request implements gate.Meter.
func (m *gateMeter) Request(j gate.Judged) {
	m.meters.requests.add(j)
	if m.perKey && j.Record != nil {
		m.meters.Keys.add(j.Record.KeyID, j.Verdict)
	}
}

// Copies implements gate.Meter.
func (m *gateMeter) Copies(places copies.Places) { m.meters.copies.add(places) }

// Passed implements gate.Meter.
func (m *gateMeter) Passed(took time.Duration, readBody bool) {
	if readBody {
		m.meters.handlerRead.Observe(took.Seconds())
		return
	}
	m.meters.handlerUnread.Observe(took.Seconds())
}

// Lookup implements gate.Meter.
func (m *gateMeter) Lookup(outcome keysync.Outcome) { m.meters.lookups.add(outcome) }

// LimitTake implements gate.Meter.
func (m *gateMeter) LimitTake(limit string) { m.limit(limit).takes.Inc() }

// LimitRefusal implements gate.Meter.
func (m *gateMeter) LimitRefusal(limit string) { m.limit(limit).refusals.Inc() }

func (m *gateMeter) limit(name string) limitMeter {
	for _, l := range m.limits {
		if l.name == name {
			return l
		}
	}
	return m.meters.limitMeter(name)
}

// Interface guard
var _ gate.Meter = (*gateMeter)(nil)
