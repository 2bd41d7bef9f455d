package gate

import (
	"net/http"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// The names of the limits that have no name in the settings.
const (
	// LimitFailures counts failed authentications of one client. Each gateway counts for
	// itself, in memory: a guess must not cost a round trip to Redis.
	LimitFailures = "limit_failures"

	// LimitInFlight is the limit of requests in flight.
	LimitInFlight = "in_flight"
)

// failedTooOften refuses a client that has failed too often, before its key is
// looked up.
func (g *Gate) failedTooOften(r *http.Request, now time.Time) (*tally, *refusal) {
	if g.limiter == nil || g.limiter.failures.N == 0 {
		return nil, nil
	}
	take, state := g.limiter.countFailure(r, now, limit.OpPeek, 1)
	if !state.Refused {
		return nil, nil
	}
	return g.limiter.failureTally(take, state), refLimited(state)
}

// peekFailures returns the state of the limit, for an answer to a request without a good
// key; nil if there is no limit.
func (l *limiter) peekFailures(r *http.Request, p *passage) *tally {
	if l.failures.N == 0 {
		return nil
	}
	return l.failureTally(l.countFailure(r, p.now, limit.OpPeek, 0))
}

func (l *limiter) failureTally(take limit.Take, state limit.State) *tally {
	t := newTally(l.style)
	t.takes, t.states = append(t.takes, take), append(t.states, state)
	return t.counted()
}

// noteFailure counts a failed authentication. A request without a key does not count: it
// guesses nothing.
func (g *Gate) noteFailure(r *http.Request, now time.Time, ref *refusal) {
	if ref == nil || ref == refMissing || ref.status != unauthorized {
		return
	}
	if g.limiter == nil || g.limiter.failures.N == 0 {
		return
	}
	g.limiter.countFailure(r, now, limit.OpAdd, 1)
	g.meter.LimitTake(LimitFailures)
}

func (l *limiter) countFailure(r *http.Request, now time.Time, op limit.Op, cost int64) (limit.Take, limit.State) {
	takes := [1]limit.Take{{Limit: LimitFailures, Key: limit.KeyOf(LimitFailures, networkOf(l.clientIP(r))), Rate: l.failures, Cost: cost}}
	var states [1]limit.State
	_, _ = l.counters.Failures.Count(r.Context(), op, now, takes[:], states[:]) // memory never fails
	return takes[0], states[0]
}
