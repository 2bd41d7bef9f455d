package caddymodule

import (
	"io"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// tally is what the counters said of one request. It is also the response of a
// request that was counted: it sets the headers that describe the limits at the
// last moment, so that they replace what the backend has sent in their names.
type tally struct {
	caddyhttp.ResponseWriterWrapper

	takes   []limit.Take
	states  []limit.State
	closest int // index of the state closest to refusing, -1 if nothing was counted
	ietf    bool
	wrote   bool
	known   caddy.ReplacerFunc // answers the placeholders that are not about limits

	// Room for the usual number of counters.
	takesRoom  [4]limit.Take
	statesRoom [4]limit.State
}

func newTally(ietf bool) *tally {
	t := &tally{ietf: ietf, closest: -1}
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

// counted returns t after its states have been filled, or nil if they were not:
// counters that are down may let requests through uncounted.
func (t *tally) counted() *tally {
	if t.closest = limit.Closest(t.states); t.closest < 0 {
		return nil
	}
	return t
}

// response returns w, or what describes the limits of a counted request in it.
func (p *passage) response(w http.ResponseWriter) http.ResponseWriter {
	if p.tally == nil {
		return w
	}
	p.tally.ResponseWriter = w
	return p.tally
}

// setHeaders describes the limits in h.
func (t *tally) setHeaders(h http.Header) {
	limit.SetHeaders(h, t.states[t.closest])
	if t.ietf {
		limit.SetIETFHeaders(h, t.takes, t.states)
	}
}

// finish sets the headers of a response that nobody has started.
func (t *tally) finish() {
	if t != nil && !t.wrote {
		t.setHeaders(t.Header())
	}
}

// start sets the headers before the first byte of the response.
func (t *tally) start() {
	if !t.wrote {
		t.wrote = true
		t.setHeaders(t.Header())
	}
}

// WriteHeader implements http.ResponseWriter. Informational responses (RFC 9110,
// section 15.2) pass as they are, but for the one that ends HTTP.
func (t *tally) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		t.start()
	}
	t.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (t *tally) Write(b []byte) (int, error) {
	t.start()
	return t.ResponseWriter.Write(b)
}

// ReadFrom implements io.ReaderFrom.
func (t *tally) ReadFrom(r io.Reader) (int64, error) {
	t.start()
	return t.ResponseWriterWrapper.ReadFrom(r)
}

// FlushError implements what http.ResponseController looks for. Whether a flush
// starts the response is up to the writer below.
func (t *tally) FlushError() error {
	t.finish()
	return http.NewResponseController(t.ResponseWriter).Flush()
}

// placeholder answers placeholders: those of the limit that the headers describe,
// and those that t.known does.
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
func (p *passage) placeholders(known caddy.ReplacerFunc) caddy.ReplacerFunc {
	if p.tally == nil {
		return known
	}
	p.tally.known = known
	return p.tally.placeholder
}

// Interface guards
var (
	_ http.ResponseWriter                       = (*tally)(nil)
	_ http.Pusher                               = (*tally)(nil)
	_ io.ReaderFrom                             = (*tally)(nil)
	_ interface{ FlushError() error }           = (*tally)(nil)
	_ interface{ Unwrap() http.ResponseWriter } = (*tally)(nil)
)
