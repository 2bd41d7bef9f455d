package caddymodule

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/internal/body"
	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func init() {
	caddy.RegisterModule(new(Gate))
}

// Gate authenticates requests by an API key. It finds the key wherever the
// client put it, removes it, looks it up, checks what it is good for, and tells
// the backend who called in one signed header.
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

	identity string // canonical name of the header that carries the assertion
	source   keysync.Getter
	signer   *assertion.Signer
	lease    *lease        // on source and counters
	halfLife time.Duration // how long an assertion is used again
	finder   *credential.Finder
	limits   body.Limits
	limiter  *limiter
	paths    []pathResource
	queries  []queryResource
	required []*credential.Param // by index of RequireQuery
	bodies   []bodyResource
	grants   *grantCache
	// reporter counts what would be refused; nil if the gate enforces.
	reporter *reporter
	// guesses says that no location was named: only what a record knows is a key.
	guesses bool
	judges  sync.Pool // of *judge
	// keysInBody says that a credential may stand in the body.
	keysInBody bool
	// looksAtJSON says that JSON bodies are scanned.
	looksAtJSON bool
	// checksJSON says that a body which is not JSON is refused.
	checksJSON bool
	remover    *credential.Finder // removes credentials, also if strip is off
	slots      []string           // headers whose storage the identity header may take over
	// forbidden reports whether a trailer of that name must not get through; bound
	// once and not for every request.
	forbidden func(name string) bool
	log       *zap.Logger
	watch     *watchShares // what the admin routes show of requests
	// limitMeters count what the limits do.
	limitMeters []limitMeter
	secondGate  sync.Once // to log that requests meet another gate before this one
	// perKey says that requests are counted by key, too.
	perKey bool
}

// CaddyModule returns the Caddy module information.
func (*Gate) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.ingest_auth",
		New: func() caddy.Module { return new(Gate) },
	}
}

// Provision prepares everything that does not depend on the request.
func (g *Gate) Provision(ctx caddy.Context) error {
	g.log = ctx.Logger()
	g.guesses = len(g.Credentials) == 0
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
	g.identity, g.source, g.signer = app.identity, app.source.getter(), app.signer.value
	g.lease = app.lease
	g.halfLife, g.watch = time.Duration(app.Sign.TTL)/2, &app.watch
	if err := g.provisionFinder(); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	g.limits = body.Limits{Body: int64(g.MaxBody), Decoded: int64(g.MaxDecoded), Ratio: g.MaxRatio, Budget: app.counters.memory.value}
	g.limiter = newLimiter(&g.Gate, g.finder, &app.counters)
	g.limitMeters, g.perKey = newLimitMeters(&g.Gate), app.Metrics.PerKey
	g.checksJSON = len(g.Require) > 0 || len(g.bodies) > 0 || g.BodyShape != "any" || countsItems(&g.Gate)
	g.looksAtJSON = g.finder.LooksAtJSON() || g.checksJSON
	g.grants = newGrantCache()
	g.forbidden = g.finder.IsHeader
	if g.Enforce == "off" {
		return g.provisionReport()
	}
	return nil
}

// Cleanup logs what was not yet reported.
func (g *Gate) Cleanup() error {
	if g.reporter != nil {
		g.reporter.flush()
	}
	return nil
}

// provisionReport prepares a gate that only reports: of what the client sends, it
// forbids nothing but the identity if credentials are to stay.
func (g *Gate) provisionReport() error {
	g.reporter = newReporter(g.log)
	if g.Strip == "on" {
		return nil
	}
	identity, err := credential.New(credential.Options{Drop: []string{g.identity}})
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	g.forbidden = identity.IsHeader
	return nil
}

func (g *Gate) provisionFinder() error {
	o := credential.Options{Keep: g.Strip == "off"}
	g.guardHeaders(&o)
	for _, l := range g.Credentials {
		g.addLocation(&o, l)
	}
	for _, l := range g.Remove {
		addRemoved(&o.Remove, l)
	}
	for _, r := range g.Require {
		o.Require = append(o.Require, credential.Requirement{Any: r.Any, Fields: r.Fields, In: r.In})
	}
	for _, r := range g.Resources {
		if err := g.addResource(&o, r); err != nil {
			return err
		}
	}
	o.Batches = batches(&g.Gate)
	err := g.provisionRequired()
	if err != nil {
		return err
	}
	if g.finder, err = credential.New(o); err != nil {
		return err
	}
	o.Keep = false
	g.remover, err = credential.New(o)
	return err
}

// addLocation adds a location to what the finder looks for.
func (g *Gate) addLocation(o *credential.Options, l config.Location) {
	switch l.In {
	case config.InBearer:
		o.Bearer = true
		g.slots = append(g.slots, "Authorization")
	case config.InBasic:
		o.Basic = "any"
		if len(l.Names) == 1 {
			o.Basic = l.Names[0]
		}
		g.slots = append(g.slots, "Authorization")
	case config.InHeader:
		for _, name := range l.Names {
			g.slots = append(g.slots, canonical(name))
		}
		o.Headers = append(o.Headers, l.Names...)
	case config.InQuery:
		o.Query = append(o.Query, l.Names...)
	case config.InBody:
		addBody(&o.Body, &o.BodyRows, l)
		g.keysInBody = true
	case config.InForm:
		o.Form = append(o.Form, l.Names...)
		g.keysInBody = true
	}
	redactNames(l)
}

// addRemoved adds a location to what the finder removes unread.
func addRemoved(o *credential.Locations, l config.Location) {
	switch l.In {
	case config.InBearer:
		o.Bearer = true
	case config.InBasic:
		o.Basic = true
	case config.InHeader:
		o.Headers = append(o.Headers, l.Names...)
	case config.InQuery:
		o.Query = append(o.Query, l.Names...)
	case config.InBody:
		addBody(&o.Body, &o.BodyRows, l)
	case config.InForm:
		o.Form = append(o.Form, l.Names...)
	}
	redactNames(l)
}

func addBody(members *[]string, rows *[]credential.BodyRow, l config.Location) {
	if l.Rows == "" {
		*members = append(*members, l.Names...)
		return
	}
	for _, name := range l.Names {
		*rows = append(*rows, credential.BodyRow{Name: name, In: l.Rows})
	}
}

// redactNames adds the names of a location to those that logs are cleaned of.
func redactNames(l config.Location) {
	if l.In == config.InHeader {
		for _, name := range l.Names {
			keyNames.AddHeader(name)
		}
	}
	keyNames.AddQuery(l.Names...)
}

func (g *Gate) addResource(o *credential.Options, r config.Resource) error {
	switch r.In {
	case "path":
		pattern, err := config.ParsePattern(r.At)
		if err != nil {
			return err
		}
		g.paths = append(g.paths, pathResource{name: r.Name, pattern: pattern})
	case "query":
		param, err := credential.NewParam(r.At)
		if err != nil {
			return err
		}
		g.queries = append(g.queries, queryResource{name: r.Name, param: param, optional: r.Optional})
	case "body":
		o.Resources = append(o.Resources, r.At)
		g.bodies = append(g.bodies, bodyResource{name: r.Name, optional: r.Optional})
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Gate)(nil)
	_ caddy.CleanerUpper          = (*Gate)(nil)
	_ caddyhttp.MiddlewareHandler = (*Gate)(nil)
)
