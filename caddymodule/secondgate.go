package caddymodule

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

var refSecondGate = &refusal{status: http.StatusInternalServerError, code: "misconfigured", message: "The gateway is misconfigured"}

// missing refuses a request without a key. If another gate has let it through, and taken its
// key, that is nothing the client can mend: the operator is told, once.
func (g *Gate) missing(r *http.Request) *refusal {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return refMissing
	}
	if taken, _ := repl.Get(placeholderTaken); taken != true {
		return refMissing
	}
	g.secondGate.Do(func() {
		g.log.Error("a request has come through another ingest_auth, which has taken its key: let each request meet only one, for example in a handle block of its own")
	})
	return refSecondGate
}
