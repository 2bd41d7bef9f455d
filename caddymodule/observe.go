package caddymodule

import (
	"net/http"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// observe notes what became of a request, before the next handler sees it. A
// streamed body that turns out to be too large is noted twice: as allowed, and as
// what it was refused for.
func (g *Gate) observe(r *http.Request, p *passage, verdict string) {
	g.noteFlow(r, p, verdict)
	g.meter(p, verdictNumber(verdict))
	traceGate(r.Context(), p, verdict)
	p.observed = true
}

// meter counts a request. It allocates nothing and takes no lock that all
// requests share, unless keys are counted apart.
func (g *Gate) meter(p *passage, verdict int) {
	meters.requests.add(verdict, p, g.reporter == nil)
	if g.perKey && p.record != nil {
		meters.keys.add(p.record.KeyID, verdict)
	}
	if p.observed {
		return
	}
	meters.handlerOf(p).Observe(time.Since(p.now).Seconds())
	g.meterLimits(p, verdict)
}

// lookup is the way of a digest through the source.
type lookup struct {
	asked   bool // false if there was nothing to look up
	outcome keysync.Outcome
}

func (l lookup) String() string {
	if !l.asked {
		return ""
	}
	return l.outcome.String()
}

// ask looks the caller's digest up.
func (g *Gate) ask(r *http.Request, c *caller) error {
	record, outcome, err := g.source.Get(r.Context(), c.digest)
	c.record, c.lookup = record, lookup{asked: true, outcome: outcome}
	meters.lookups.add(outcome)
	return err
}
