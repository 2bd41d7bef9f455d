package caddymodule

import (
	"cmp"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/answer"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

func init() {
	caddy.RegisterModule(new(Health))
}

// Health answers the probes of an orchestrator: 200 if the gates can do their work and
// are not stopping, else 503. With Live it always answers 200 while the process serves.
type Health struct {
	// Answer for as long as the process serves, whatever the state of the gates.
	Live bool `json:"live,omitempty"`

	app *App
}

// CaddyModule returns the Caddy module information.
func (*Health) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.ingest_auth_health",
		New: func() caddy.Module { return new(Health) },
	}
}

// Provision finds the app.
func (h *Health) Provision(ctx caddy.Context) error {
	v, err := ctx.App(appID)
	if err != nil {
		return err
	}
	h.app = v.(*App)
	return nil
}

// ServeHTTP answers GET and HEAD.
func (h *Health) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	if h.Live {
		live.write(w)
	} else {
		writeReadiness(h.app, w, r)
	}
	return nil
}

func writeReadiness(app *App, w http.ResponseWriter, r *http.Request) {
	if stopping(r) {
		stops.write(w)
		return
	}
	app.readiness().write(w)
}

// stopping reports whether the server of the request is about to stop, or to be replaced
// in a reload. It still serves until shutdown_delay is over, so that load balancers have
// time to send requests elsewhere.
func stopping(r *http.Request) bool {
	if caddy.Exiting() {
		return true
	}
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	if !ok {
		return false
	}
	v, _ := repl.Get("http.shutting_down")
	return v == true
}

// health is the state of the gates, for probes. Its texts are fixed: a probe is
// often open to everyone.
type health struct {
	Status   string   `json:"status"`
	Problems []string `json:"problems,omitempty"` // why not ready
	Warnings []string `json:"warnings,omitempty"` // what is wrong but does not matter yet
}

var (
	live  = &health{Status: "live"}
	stops = &health{Status: "stopping"}
)

func (h *health) write(w http.ResponseWriter) {
	status := http.StatusOK
	if h == stops || len(h.Problems) > 0 {
		status = http.StatusServiceUnavailable
	}
	answer.Write(w, status, "application/json", answer.JSON(h))
}

// readiness says whether the gates can do their work: sign, and distinguish good keys
// from bad ones. If the source is down, they can as long as the cache has something to
// serve. If Redis is down, they can unless on_error is deny. Sending traffic elsewhere
// would only make it worse.
func (a *App) readiness() *health {
	h := &health{Status: "ready"}
	if _, err := a.signer.value.Sign(new(assertion.Claims), time.Now()); err != nil {
		h.Problems = append(h.Problems, "no signing key")
	}
	h.addSource(&a.source)
	if redis := a.counters.redis; redis != nil && !redis.value.Health().Up {
		h.addRedis(redis.value.OnError())
	}
	if len(h.Problems) > 0 {
		h.Status = "not ready"
	}
	return h
}

func (h *health) addRedis(onError limit.OnError) {
	switch onError {
	case limit.OnErrorMemory:
		h.Warnings = append(h.Warnings, "Redis cannot be used; every gate counts for itself")
	case limit.OnErrorAllow:
		h.Warnings = append(h.Warnings, "Redis cannot be used; limits are not applied")
	case limit.OnErrorDeny:
		h.Problems = append(h.Problems, "Redis cannot be used; requests with limits are refused")
	}
}

func (h *health) addSource(s *sourceShares) {
	st, known := s.status()
	public := cmp.Or(st.Public, "the key source cannot be read")
	switch {
	case !known:
	case st.Problem == "" && st.Warning != "":
		h.Warnings = append(h.Warnings, st.Warning)
	case st.Problem == "":
	case s.cache == nil:
		h.Warnings = append(h.Warnings, public+"; its last good content is served")
	case s.cache.value.Usable():
		h.Warnings = append(h.Warnings, public+"; known keys are served from the cache")
	default:
		h.Problems = append(h.Problems, public+", and no key is in the cache")
	}
}

// parseHealth reads the directive. Syntax:
//
//	ingest_auth_health [<matcher>] [live]
func parseHealth(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // consume directive name
	health := new(Health)
	if h.NextArg() {
		if h.Val() != "live" {
			return nil, h.Errf("ingest_auth_health: %q is unknown; write `live`, or nothing for readiness", h.Val())
		}
		health.Live = true
	}
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.ArgErr()
	}
	return health, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Health)(nil)
	_ caddyhttp.MiddlewareHandler = (*Health)(nil)
)
