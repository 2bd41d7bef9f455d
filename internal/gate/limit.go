package gate

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// maxTakes is how many counters one request may use. Only a body that names several
// values of a resource needs more than one per limit.
const maxTakes = 1024

// limiter applies the limits of a gate; nil if there are none.
type limiter struct {
	limits   []config.Limit
	failures limit.Rate // of authentication; zero for no limit
	inFlight config.InFlight
	style    limit.Style
	counters Counters
	clientIP func(*http.Request) string
	byIP     bool   // some limit counts by the client's address
	patterns string // of the paths that the gate takes resources from
	finder   *credential.Finder
	batches  []string // arrays in the body whose elements count
}

// newLimiter returns the limiter of a gate, nil if there is nothing to limit.
func newLimiter(s *config.Gate, o *Options, style limit.Style, finder *credential.Finder) *limiter {
	if len(s.Limits) == 0 && s.LimitFailures == (config.Rate{}) && s.InFlight == (config.InFlight{}) {
		return nil
	}
	l := &limiter{
		limits:   s.Limits,
		failures: limit.Rate(s.LimitFailures),
		inFlight: s.InFlight,
		style:    style,
		counters: o.Counters,
		clientIP: o.Host.ClientIP,
		byIP:     slices.ContainsFunc(s.Limits, func(l config.Limit) bool { return slices.Contains(l.By, config.ByIP) }),
		finder:   finder,
		batches:  batches(s),
	}
	var patterns []string
	for _, r := range s.Resources {
		if r.In == "path" && !slices.Contains(patterns, r.At) {
			patterns = append(patterns, r.At)
		}
	}
	l.patterns = strings.Join(patterns, " ")
	return l
}

// batches returns the arrays whose elements some limit counts.
func batches(s *config.Gate) []string {
	var names []string
	for _, l := range s.Limits {
		if l.CostIn != "" && !slices.Contains(names, l.CostIn) {
			names = append(names, l.CostIn)
		}
	}
	return names
}

// countsItems reports whether the items of bodies have to be counted.
func countsItems(s *config.Gate) bool {
	return s.MaxItems > 0 || s.MinItems > 0 || slices.ContainsFunc(s.Limits, func(l config.Limit) bool { return l.Cost == config.CostBodyItems })
}

// limit counts the request against all limits, or against none if one of them
// refuses it. known is its identity, nil if it is not known.
func (g *Gate) limit(r *http.Request, p *passage, bound []boundResource, known *identity) *refusal {
	if g.limiter == nil {
		return nil
	}
	if ref := g.enter(p); ref != nil {
		return ref
	}
	if len(g.limiter.limits) == 0 {
		return nil
	}
	return g.limiter.count(r, p, bound, known)
}

// enter counts the request as in flight once its key is known. For a key in the head that
// is before the body is read, so that a key with slow bodies cannot use up the memory of
// all others.
func (g *Gate) enter(p *passage) *refusal {
	if g.limiter == nil || p.record == nil || g.limiter.enter(p) {
		return nil
	}
	return refInFlight
}

// enter counts the request as in flight, once. The end of the passage undoes it.
func (l *limiter) enter(p *passage) bool {
	if l.inFlight.N == 0 || p.entered != nil {
		return true
	}
	who := p.record.KeyID
	if l.inFlight.By == config.ByAccount {
		who = accountOf(p.record)
	}
	key := limit.KeyOf(LimitInFlight, l.inFlight.By, who)
	if !l.counters.InFlight.Acquire(key, int64(l.inFlight.N)) {
		return false
	}
	p.entered, p.enteredAs = l.counters.InFlight, key
	return true
}

func (l *limiter) count(r *http.Request, p *passage, bound []boundResource, known *identity) *refusal {
	t := l.newTally(r, p, bound, known)
	if len(t.takes) > maxTakes {
		return refManyTakes
	}
	fits, err := l.counters.Requests.Count(r.Context(), limit.OpTake, p.now, t.takes, t.states)
	if err != nil {
		return refUnavailable("Limits cannot be checked right now; try again", err)
	}
	p.tally = t.counted()
	if !fits {
		return refLimited(t.states[t.closest])
	}
	return nil
}

// newTally returns a tally of all limits, with a take for every counter of the request
// and room for the states of the counters.
func (l *limiter) newTally(r *http.Request, p *passage, bound []boundResource, known *identity) *tally {
	t := newTally(l.style)
	if l.byIP {
		p.network = networkOf(l.clientIP(r))
	}
	v := values{limiter: l, r: r, p: p, bound: bound}
	for i := range l.limits {
		if known != nil && i < len(known.takes) && known.takes[i].Limit != "" {
			t.takes = append(t.takes, known.takes[i])
			continue
		}
		v.addTakes(t, &l.limits[i])
	}
	t.makeStates()
	return t
}

// peek reads the limits of a request that is refused for another reason, without counting
// it, so that the answer can show them. A client without a good key is only told how many
// more failures it has left.
func (g *Gate) peek(r *http.Request, p *passage, ref *refusal) {
	switch {
	case g.limiter == nil || p.tally != nil:
		return
	case ref.unauthenticated():
		p.tally = g.limiter.peekFailures(r, p)
		return
	case len(g.limiter.limits) == 0 || p.record == nil || ref.status == unauthorized || ref.status.http >= http.StatusTooManyRequests:
		return
	}
	t := g.limiter.newTally(r, p, g.ownResources(r, p), nil)
	for i := range t.takes {
		t.takes[i].Cost = 0
	}
	if _, err := g.limiter.counters.Requests.Count(r.Context(), limit.OpPeek, p.now, t.takes, t.states); err == nil {
		p.tally = t.counted()
	}
}

// ownResources returns the resources of a refused request if the key is allowed for all
// of them, else none: a name that is allowed may belong to another customer in
// combination with the rest. Not all refused requests were read so far that the resources
// in the body are known.
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

// rateFor is the rate of a limit for the caller. The caller's record may replace it.
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
