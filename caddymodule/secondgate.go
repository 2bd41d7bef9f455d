package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

// noteSecondGate tells the operator, once, of a request without a key that another gate has
// let through. That one has taken its key, which may be the one that is missing here; or the
// client lacks a second key that this gate wants.
func (g *Gate) noteSecondGate(r *http.Request) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return
	}
	if taken, _ := repl.Get(placeholderTaken); taken != true {
		return
	}
	g.secondGate.Do(func() {
		g.log.Warn("a request without a key has come through another ingest_auth, which takes its key: unless clients are to send two, let each request meet only one, for example in handle blocks")
	})
}
