package gate

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// observe notes the verdict of a request, before the next handler sees it. A streaming
// body that turns out to be too large is noted twice: as allowed, and as refused.
func (g *Gate) observe(r *http.Request, p *passage, verdict Verdict) {
	g.note(r, p, verdict)
	g.count(p, verdict)
	traceGate(r.Context(), p, verdict)
	p.observed = true
}

// note remembers a request for the admin page.
func (g *Gate) note(r *http.Request, p *passage, verdict Verdict) {
	g.flow.Note(p.now, p.record, verdict.String(), limitOf(p))
	if p.copies != 0 && !p.observed {
		g.noteCopies(p.now, p.record, p.copies)
	}
	if g.events != nil {
		g.noteEvent(r, p, verdict)
	}
}

// limitOf describes the same limit as the answer to the request.
func limitOf(p *passage) flow.Limit {
	if p.tally == nil {
		return flow.Limit{}
	}
	s := &p.tally.states[p.tally.closest]
	return flow.Limit{Name: p.tally.takes[p.tally.closest].Limit, Limit: s.Limit, Remaining: s.Remaining, Reset: s.Reset}
}

// count counts a request, and measures it the first time.
func (g *Gate) count(p *passage, verdict Verdict) {
	g.meter.Request(Judged{Verdict: verdict, Location: p.found, Record: p.record, Enforced: g.enforces})
	if p.observed {
		return
	}
	g.meter.Passed(time.Since(p.now), p.readsBody)
	g.countLimits(p, verdict)
}

// countLimits counts what the limits decided: all of them count a request, or none.
func (g *Gate) countLimits(p *passage, verdict Verdict) {
	if verdict == tooManyInFlight {
		g.meter.LimitRefusal(LimitInFlight)
	}
	if p.entered != nil {
		g.meter.LimitTake(LimitInFlight)
	}
	if p.tally == nil {
		return
	}
	refused := p.tally.states[p.tally.closest].Refused
	for i := range p.tally.takes {
		switch name := p.tally.takes[i].Limit; {
		case p.tally.states[i].Refused:
			g.meter.LimitRefusal(name)
		case !refused:
			g.meter.LimitTake(name)
		}
	}
}

// lookup is the look-up of a digest, for metrics and traces.
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
	g.meter.Lookup(outcome)
	return err
}

// tracerName is the instrumentation scope of the gate's spans.
const tracerName = "github.com/ingestauth/caddy-ingest-auth"

// traceGate records the way of a request through the gate as a span, a child of
// the one that the server's tracing started. Without such a span it does nothing.
func traceGate(ctx context.Context, p *passage, verdict Verdict) {
	parent := p.span
	if !parent.IsRecording() || p.observed {
		return
	}
	attributes := make([]attribute.KeyValue, 0, 4)
	add := func(name, value string) {
		if value != "" {
			attributes = append(attributes, attribute.String(name, value))
		}
	}
	add("ingest_auth.verdict", verdict.String())
	add("ingest_auth.lookup", p.lookup.String())
	if p.record != nil {
		add("ingest_auth.key_id", p.record.KeyID)
		add("ingest_auth.mode", p.record.Mode)
	}
	_, span := parent.TracerProvider().Tracer(tracerName).Start(ctx, "ingest_auth",
		trace.WithTimestamp(p.now), trace.WithAttributes(attributes...))
	span.End()
}

// cleanPanic takes keys out of what a handler further on panics with: tracing records it, and
// nobody can change that any more.
func (g *Gate) cleanPanic(p *passage) {
	if p.span == nil || !p.span.IsRecording() {
		return
	}
	v := recover()
	if v == nil {
		return
	}
	text := fmt.Sprint(v)
	if clean := g.names.Text(text); clean != text {
		v = clean
	}
	panic(v)
}
