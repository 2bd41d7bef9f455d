package gate

import (
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// report lets a request through and says in assertion, logs and placeholders why it would
// have been refused.
func (g *Gate) report(w http.ResponseWriter, r *http.Request, p *passage, next Handler) error {
	ref := g.takeHead(r, p)
	body.Trailers(r, g.forbidden)
	if ref == nil && isPreflight(r) && (g.settings.PassPreflights || len(g.settings.CORS) > 0) {
		return next.ServeHTTP(w, r)
	}
	if ref == nil {
		ref = g.tryToAdmit(r, p)
	}
	if ref != nil {
		g.noteRefused(r, p, ref)
	}
	g.observe(r, p, p.verdict)
	err := next.ServeHTTP(w, r)
	if err == nil {
		p.release()
	}
	return err
}

// tryToAdmit takes a request through the gate, or a copy of it if credentials must stay
// in the request. Changes to the body are undone, unless the gate has to remove
// credentials from it and could do so.
func (g *Gate) tryToAdmit(r *http.Request, p *passage) *refusal {
	p.verdict = allowed
	tried := r
	if !g.strips {
		tried = new(*r)
		tried.Header = r.Header.Clone()
	}
	p.recording = body.Record(tried, g.reading.Budget)
	id, ref := g.admit(tried, p)
	if len(tried.Header["Expect"]) == 0 {
		delete(r.Header, "Expect")
	}
	if !g.strips || p.replay == nil && p.head == nil {
		p.recording.Restore(r)
	}
	if ref == nil {
		g.introduce(r, p, id)
	}
	return ref
}

// noteRefused notes why a request that passes would have been refused.
func (g *Gate) noteRefused(r *http.Request, p *passage, ref *refusal) {
	p.verdict = ref.verdict
	g.reporter.count(p.verdict.String())
	if p.record == nil {
		p.digest = keysync.Digest{} // all unknown keys share an assertion
	}
	if id, unsigned := g.identify(r, p, nil); unsigned == nil {
		r.Header[g.header] = []string{id.assertion}
	}
	g.describe(r, p, ref)
}

// reportEvery is how often a gate in report mode logs what it would have refused.
const reportEvery = 10 * time.Second

// reporter counts what a gate in report mode would have refused, by verdict, and
// logs the counts from time to time: a line per request would be a flood.
type reporter struct {
	log *zap.Logger

	mu     sync.Mutex
	counts map[string]int
	copies map[string]int // requests whose key is in more than one place, by place
	timer  *time.Timer    // nil unless something must be logged
}

func newReporter(log *zap.Logger) *reporter {
	return &reporter{log: log, counts: make(map[string]int), copies: make(map[string]int)}
}

// count counts a request. There are only a few verdicts, and clients cannot invent new
// ones.
func (r *reporter) count(verdict string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[verdict]++
	r.flushLater()
}

// countCopies counts a request by the other places of its key.
func (r *reporter) countCopies(places copies.Places) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, place := range places.Names() {
		r.copies[place]++
	}
	r.flushLater()
}

func (r *reporter) flushLater() {
	if r.timer == nil {
		r.timer = time.AfterFunc(reportEvery, r.flush)
	}
}

// flush logs what was counted since the last time, if anything was.
func (r *reporter) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.timer == nil {
		return
	}
	r.timer.Stop()
	r.timer = nil
	total := 0
	for _, n := range r.counts {
		total += n
	}
	if total > 0 {
		r.log.Warn("requests that would have been refused", zap.Int("requests", total), zap.Any("verdicts", r.counts))
	}
	if len(r.copies) > 0 {
		r.log.Warn("requests with their key in more than one place, by the place of the copy", zap.Any("places", r.copies))
	}
	clear(r.counts)
	clear(r.copies)
}
