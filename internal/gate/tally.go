package gate

import (
	"net/http"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// tally holds the states of the counters for one request.
type tally struct {
	takes   []limit.Take
	states  []limit.State
	closest int // index of the state closest to refusing, -1 if nothing was counted
	style   limit.Style
	known   placeholders // answers placeholders other than those of limits

	// Room for the usual number of counters, for the values of the headers and for the response
	// writer: one allocation is cheaper than four.
	takesRoom  [2]limit.Take
	statesRoom [2]limit.State
	values     limit.Values
	response   response
}

func newTally(style limit.Style) *tally {
	t := &tally{style: style, closest: -1}
	t.takes, t.states = t.takesRoom[:0], t.statesRoom[:0]
	return t
}

// makeStates makes a state for every take.
func (t *tally) makeStates() {
	if len(t.takes) <= len(t.statesRoom) {
		t.states = t.statesRoom[:len(t.takes)]
		return
	}
	t.states = make([]limit.State, len(t.takes))
}

// counted returns t if its states were filled, else nil: counters that are down may let
// requests through uncounted.
func (t *tally) counted() *tally {
	if t.closest = limit.Closest(t.states); t.closest < 0 {
		return nil
	}
	return t
}

// setHeaders describes the limits in h.
func (t *tally) setHeaders(h http.Header) {
	limit.SetHeaders(h, t.style, t.states[t.closest], &t.values)
	if t.style == limit.IETF {
		limit.SetIETFHeaders(h, t.takes, t.states)
	}
}

// placeholder answers the placeholders of the limit that the headers describe, and those
// of t.known.
func (t *tally) placeholder(key string) (any, bool) {
	name, ours := strings.CutPrefix(key, placeholderPrefix+"limit.")
	if !ours {
		return t.known(key)
	}
	s := &t.states[t.closest]
	switch name {
	case "name":
		return t.takes[t.closest].Limit, true
	case "limit":
		return s.Limit, true
	case "remaining":
		return s.Remaining, true
	case "reset":
		return unixSeconds(s.Reset), true
	}
	return nil, false
}

// placeholders returns what answers the placeholders of the request.
func (p *passage) placeholders(known placeholders) placeholders {
	if p.tally == nil {
		return known
	}
	p.tally.known = known
	return p.tally.placeholder
}
