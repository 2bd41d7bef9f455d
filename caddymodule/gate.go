package caddymodule

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
)

func init() {
	caddy.RegisterModule(new(Gate))
}

// Gate authenticates requests by an API key. It finds the key wherever the client put it,
// removes it, looks it up, checks what it allows, and tells the backend who called in one
// signed header.
//
// Placeholders, set on every request that is let through or refused, except for
// preflights:
//
// Placeholder | Value
// ------------|------
// `{http.ingest_auth.verdict}` | `allowed`, or the code of the error
// `{http.ingest_auth.key_id}` | ID of the key
// `{http.ingest_auth.account}` | account the key belongs to
// `{http.ingest_auth.mode}` | `live` or `test`
// `{http.ingest_auth.env}` | environment of the key
// `{http.ingest_auth.scope}` | scopes of the key, separated by spaces
// `{http.ingest_auth.res.NAME}` | the bound value of resource NAME
// `{http.ingest_auth.error}` | error message for the client
// `{http.ingest_auth.code}` | error code for the client
// `{http.ingest_auth.limit.name}` | name of the limit that is closest to refusing
// `{http.ingest_auth.limit.limit}` | units of its window
// `{http.ingest_auth.limit.remaining}` | units left in its window
// `{http.ingest_auth.limit.reset}` | end of its window, in Unix seconds
// `{http.auth.user.id}` | ID of the key
type Gate struct {
	config.Gate

	gate *gate.Gate
}

// CaddyModule returns the Caddy module information.
func (*Gate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.ingest_auth",
		New: func() caddy.Module { return new(Gate) },
	}
}

// Provision makes the gate from its settings and from what the app shares.
func (g *Gate) Provision(ctx caddy.Context) error {
	guesses := len(g.Credentials) == 0
	g.SetDefaults()
	if err := g.Gate.Validate(); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	if err := g.checkHeadersArrive(ctx); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	v, err := ctx.App(appID)
	if err != nil {
		return err
	}
	app := v.(*App)
	app.checkAddresses(ctx, &g.Gate)
	app.places = slices.Concat(app.places, g.Credentials, g.Remove)
	o := app.gateOptions()
	o.Settings, o.Guesses, o.Log = g.Gate, guesses, ctx.Logger()
	o.Meter = meters.ForGate(&g.Gate, app.Metrics.PerKey)
	if g.gate, err = gate.New(o); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	return nil
}

// gateOptions are what all gates of the configuration share.
func (a *App) gateOptions() gate.Options {
	o := gate.Options{
		Header:   a.identityHeader,
		Source:   a.source.getter(),
		Signer:   a.signer.value,
		HalfLife: durationOf(a.Sign.TTL) / 2,
		Budget:   a.counters.memory.value,
		Counters: a.counters.forGates(),
		Names:    keyNames,
		Flow:     a.watch.flow.value,
		Host:     host{a.hold},
	}
	if a.watch.recent != nil {
		o.Events = a.watch.recent.value
	}
	return o
}

// ServeHTTP takes a request through the gate.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	return g.gate.ServeHTTP(w, r, next)
}

// Cleanup logs what was not yet reported.
func (g *Gate) Cleanup() error {
	if g.gate != nil { // nil after a Provision that failed
		g.gate.Close()
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gate)(nil)
	_ caddy.CleanerUpper          = (*Gate)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gate)(nil)
)
