package caddymodule

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// maxTakes is how many counters one request may count against. More than one per
// limit there are only for a body that names several values of a resource.
const maxTakes = 1024

var (
	refManyTakes = &refusal{status: http.StatusBadRequest, code: "too_many_values", message: "Request names too many resources"}
	refManyItems = &refusal{status: http.StatusBadRequest, code: "too_many_items", message: "Request body has too many items"}
	refFewItems  = &refusal{status: http.StatusBadRequest, code: "too_few_items", message: "Request body has too few items"}
	refInFlight  = &refusal{status: http.StatusTooManyRequests, code: "too_many_in_flight", message: "Too many requests in flight"}
)

const rateLimited = "rate_limited"

func refLimited(s limit.State) *refusal {
	return &refusal{status: http.StatusTooManyRequests, code: rateLimited, message: "Rate limit exceeded", limit: &s}
}

func refCounters(err error) *refusal {
	return &refusal{status: http.StatusServiceUnavailable, code: "unavailable", message: "Limits cannot be checked right now; try again", cause: err}
}

// limiter is what a gate limits, nil if nothing.
type limiter struct {
	limits   []config.Limit
	failures limit.Rate // of authentication; zero for no limit
	inFlight config.InFlight
	style    limit.Style
	counters limit.Counters
	local    *localCounters
	patterns string // of the paths that the gate takes resources from
	finder   *credential.Finder
	batches  []string // arrays in the body whose elements are counted
}

func newLimiter(g *config.Gate, finder *credential.Finder, shares *counterShares) *limiter {
	if len(g.Limits) == 0 && g.LimitFailures == (config.Rate{}) && g.InFlight == (config.InFlight{}) {
		return nil
	}
	l := &limiter{
		limits:   g.Limits,
		failures: limit.Rate(g.LimitFailures),
		inFlight: g.InFlight,
		style:    limitStyle(g.LimitHeaders),
		counters: shares.requests(),
		local:    shares.local.value,
		finder:   finder,
		batches:  batches(g),
	}
	var patterns []string
	for _, r := range g.Resources {
		if r.In == "path" && !slices.Contains(patterns, r.At) {
			patterns = append(patterns, r.At)
		}
	}
	l.patterns = strings.Join(patterns, " ")
	return l
}

// limitStyle is the style that the setting names.
func limitStyle(name string) limit.Style {
	switch name {
	case "seconds":
		return limit.Seconds
	case "ietf":
		return limit.IETF
	case "off":
		return limit.Off
	}
	return limit.Unix
}

// batches returns the arrays whose elements some limit counts.
func batches(g *config.Gate) []string {
	var names []string
	for _, l := range g.Limits {
		if l.CostIn != "" && !slices.Contains(names, l.CostIn) {
			names = append(names, l.CostIn)
		}
	}
	return names
}

// countsItems reports whether the items of bodies have to be counted.
func countsItems(g *config.Gate) bool {
	return g.MaxItems > 0 || g.MinItems > 0 || slices.ContainsFunc(g.Limits, func(l config.Limit) bool { return l.Cost == config.CostBodyItems })
}

// limit counts the request against all limits, or against none if one of them
// refuses it.
func (g *Gate) limit(r *http.Request, p *passage, bound []boundResource) *refusal {
	if g.limiter == nil {
		return nil
	}
	if ref := g.enter(p); ref != nil {
		return ref
	}
	if len(g.limiter.limits) == 0 {
		return nil
	}
	return g.limiter.count(r, p, bound)
}

// enter counts the request as in flight once its key is known: in the head, if it
// stands there, so that a key whose bodies are slow to arrive does not get at the
// memory of all others.
func (g *Gate) enter(p *passage) *refusal {
	if g.limiter == nil || p.record == nil || g.limiter.enter(p) {
		return nil
	}
	return refInFlight
}

// enter counts the request as in flight, once. The end of the passage undoes it.
func (l *limiter) enter(p *passage) bool {
	if l.inFlight.N == 0 || p.flights != nil {
		return true
	}
	who := p.record.KeyID
	if l.inFlight.By == config.ByAccount {
		who = accountOf(p.record)
	}
	key := limit.KeyOf("in_flight", l.inFlight.By, who)
	if !l.local.inFlight.Acquire(key, int64(l.inFlight.N)) {
		return false
	}
	p.flights, p.flight = l.local.inFlight, key
	return true
}

func (l *limiter) count(r *http.Request, p *passage, bound []boundResource) *refusal {
	t := l.newTally(r, p, bound)
	if len(t.takes) > maxTakes {
		return refManyTakes
	}
	fits, err := l.counters.Count(r.Context(), limit.OpTake, p.now, t.takes, t.states)
	if err != nil {
		return refCounters(err)
	}
	p.tally = t.counted()
	if !fits {
		return refLimited(t.states[t.closest])
	}
	return nil
}

// newTally returns a tally of all limits, with a take for every counter of the
// request and room for what the counters say.
func (l *limiter) newTally(r *http.Request, p *passage, bound []boundResource) *tally {
	t := newTally(l.style)
	v := values{limiter: l, r: r, p: p, bound: bound}
	for i := range l.limits {
		v.addTakes(t, &l.limits[i])
	}
	t.makeStates()
	return t
}

// peek reads, without taking anything, the limits of a request that is refused
// for another reason, so that the answer says how they stand. Who has no good key
// is told nothing but how many more may fail.
func (g *Gate) peek(r *http.Request, p *passage, ref *refusal) {
	switch {
	case g.limiter == nil || p.tally != nil:
		return
	case ref.unauthenticated():
		p.tally = g.limiter.peekFailures(r, p)
		return
	case len(g.limiter.limits) == 0 || p.record == nil || ref.status == http.StatusUnauthorized || ref.status >= http.StatusTooManyRequests:
		return
	}
	t := g.limiter.newTally(r, p, g.ownResources(r, p))
	for i := range t.takes {
		t.takes[i].Cost = 0
	}
	if _, err := g.limiter.counters.Count(r.Context(), limit.OpPeek, p.now, t.takes, t.states); err == nil {
		p.tally = t.counted()
	}
}

// ownResources returns the resources of a request that is refused if the key is
// allowed for all of them, else none: one that it is allowed for by itself may be
// another's together with the rest. What a body names is not known of all requests
// that are refused.
func (g *Gate) ownResources(r *http.Request, p *passage) []boundResource {
	if len(g.bodies) > 0 {
		return nil
	}
	bound, ref := g.bindPath(r, nil)
	if ref == nil {
		bound, ref = g.bindQuery(r, bound)
	}
	if ref != nil || slices.ContainsFunc(bound, func(b boundResource) bool { return !p.record.Allows(b.name, b.value) }) {
		return nil
	}
	return bound
}

// rateFor is the rate of a limit for the caller, whose record may replace it.
// Rates were checked when the record was read.
func rateFor(l *config.Limit, overrides map[string]string) limit.Rate {
	if text, ok := overrides[l.Name]; ok {
		if r, err := config.ParseRate(text); err == nil {
			return limit.Rate(r)
		}
	}
	return limit.Rate(l.Rate)
}

// cost is what a request costs, at least one unit: a request is never free.
func (l *limiter) cost(c *config.Limit, p *passage) int64 {
	switch {
	case c.Cost != config.CostBodyItems:
		return 1
	case c.CostIn == "":
		return int64(max(1, p.set.Items()))
	}
	return int64(max(1, l.finder.BatchItems(p.set, slices.Index(l.batches, c.CostIn))))
}

// limitMembers are the members of an error body that describe a limit.
type limitMembers struct {
	Limit     int64 `json:"limit"`
	Remaining int64 `json:"remaining"`
	ResetTime int64 `json:"resetTime"` // Unix seconds
}

// membersOf returns what the body says of the limit that refuses, or nil.
func membersOf(ref *refusal) *limitMembers {
	if ref.limit == nil {
		return nil
	}
	return &limitMembers{ref.limit.Limit, ref.limit.Remaining, unixSeconds(ref.limit.Reset)}
}

// unixSeconds is the end of a window as clients are told: rounded up.
func unixSeconds(t time.Time) int64 { return t.Add(time.Second - 1).Unix() }
