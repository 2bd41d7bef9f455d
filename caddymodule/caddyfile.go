package caddymodule

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

func init() {
	httpcaddyfile.RegisterGlobalOption(appID, parseApp)
	httpcaddyfile.RegisterHandlerDirective("ingest_auth", parseGate)
	httpcaddyfile.RegisterHandlerDirective("ingest_auth_jwks", parseJWKS)
	httpcaddyfile.RegisterHandlerDirective("ingest_auth_health", parseHealth)
	// After everything that changes the URI, so that resources in the path are
	// read as the backend sees them, and before everything that acts on the
	// request. Key set and health are public: they come before the gate.
	httpcaddyfile.RegisterDirectiveOrder("ingest_auth_jwks", httpcaddyfile.Before, "basicauth")
	httpcaddyfile.RegisterDirectiveOrder("ingest_auth_health", httpcaddyfile.Before, "basicauth")
	httpcaddyfile.RegisterDirectiveOrder("ingest_auth", httpcaddyfile.Before, "basicauth")
}

// subdirectives maps the name of a subdirective to what reads its arguments. The
// dispenser stands on the name.
type subdirectives map[string]func(d *caddyfile.Dispenser) error

// parse reads a block. After every subdirective all settings so far are
// validated, so that an error names the line of the one that is to blame.
func (s subdirectives) parse(d *caddyfile.Dispenser, block string, validate func() error) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		read, ok := s[d.Val()]
		if !ok {
			return d.Errf("%s: unknown subdirective %q; %s", block, d.Val(), s.instead(block, d.Val()))
		}
		if err := read(d); err != nil {
			return err
		}
		if err := validate(); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// The two blocks with the name ingest_auth, as errors call them.
const (
	globalBlock = "global option ingest_auth"
	gateBlock   = "directive ingest_auth"
)

// instead says what to write for a name that a block does not know. A setting of one of the
// two blocks with the name ingest_auth easily gets into the other.
func (s subdirectives) instead(block, name string) string {
	switch {
	case block == gateBlock && new(App).subdirectives()[name] != nil:
		return "it belongs in the global option `ingest_auth`, in the braces at the top of the Caddyfile"
	case block == globalBlock && new(Gate).subdirectives()[name] != nil:
		return "it belongs in the directive `ingest_auth` of a site"
	}
	return "there are " + strings.Join(slices.Sorted(maps.Keys(s)), ", ")
}

// stringArg returns a reader for a subdirective with exactly one argument.
func stringArg(to *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if *to != "" {
			return d.Errf("%s: is there twice", name)
		}
		if !d.AllArgs(to) || *to == "" {
			return d.Errf("%s: takes one argument", name)
		}
		return nil
	}
}

// clientCertArgs returns a reader for the files of a certificate and its key.
func clientCertArgs(cert, key *string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		if *cert != "" {
			return d.Err("client_cert: is there twice")
		}
		if !d.AllArgs(cert, key) {
			return d.Err("client_cert: write the certificate and its key, `client_cert CERT KEY`")
		}
		return nil
	}
}

// parsedArg returns a reader for one argument in a small language.
func parsedArg[T comparable](to *T, parse func(string) (T, error)) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name, text := d.Val(), ""
		if err := stringArg(&text)(d); err != nil {
			return err
		}
		var zero T
		if *to != zero {
			return d.Errf("%s: is there twice", name)
		}
		v, err := parse(text)
		if err != nil {
			return d.Errf("%s: %w", name, err)
		}
		if v == zero {
			return d.Errf("%s: must be greater than zero", name)
		}
		*to = v
		return nil
	}
}

// listArg returns a reader for a subdirective with one or more arguments, which
// may be repeated.
func listArg(to *[]string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name, args := d.Val(), d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("%s: takes one or more arguments", name)
		}
		*to = append(*to, args...)
		return nil
	}
}

// flag returns a reader for a subdirective without arguments.
func flag(to *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		if d.NextArg() {
			return d.Errf("%s: takes no argument", name)
		}
		*to = true
		return nil
	}
}

// parseApp reads the global option. Syntax:
//
//	ingest_auth {
//	    keys file <path>
//	    keys vault {
//	        address     <url>
//	        mount       <path>
//	        prefix      <path>
//	        namespace   <name>
//	        ca_cert     <file>
//	        client_cert <file> <key-file>
//	        server_name <name>
//	        timeout     <duration>
//	        auth        token [{env.NAME}|{file.PATH}]
//	        auth        token_file <file>
//	        auth        approle <role-id> <secret-id-file>|{env.NAME} [wrapped]
//	        auth        kubernetes <role> [<token-file>]
//	        auth_mount  <path>
//	    }
//	    cache {
//	        size     <n>
//	        fresh    <duration>
//	        unknown  <duration>
//	        outage   <duration>
//	        reads    <n>
//	        snapshot <duration>
//	    }
//	    counters memory
//	    counters <redis-url>|{env.NAME}|{file.PATH} {
//	        ca_cert     <file>
//	        client_cert <file> <key-file>
//	        server_name <name>
//	        timeout     <duration>
//	        on_error    memory|allow|deny
//	    }
//	    buffer_memory <size>
//	    sign {
//	        header    <name>
//	        algorithm EdDSA|ES256|HS256
//	        secret    {env.NAME}|{file.PATH}
//	        issuer    <text>
//	        audience  <text>
//	        ttl       <duration>
//	        rotate    <duration>
//	    }
//	    metrics per_key
//	    recent_events on|off
//	    log_check on|off
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	a := new(App)
	d.Next() // consume option name
	if existing != nil {
		return nil, d.Err("ingest_auth: the global option is there twice")
	}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	if err := a.subdirectives().parse(d, globalBlock, a.Validate); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: appID, Value: caddyconfig.JSON(a, nil)}, nil
}

func (a *App) subdirectives() subdirectives {
	return subdirectives{
		"keys":          func(d *caddyfile.Dispenser) error { return parseKeys(d, a) },
		"cache":         func(d *caddyfile.Dispenser) error { return parseCache(d, a) },
		"sign":          func(d *caddyfile.Dispenser) error { return parseSign(d, a) },
		"counters":      func(d *caddyfile.Dispenser) error { return parseCounters(d, a) },
		"buffer_memory": parsedArg(&a.BufferMemory, config.ParseSize),
		"metrics":       func(d *caddyfile.Dispenser) error { return parseMetrics(d, &a.Metrics) },
		"recent_events": stringArg(&a.RecentEvents),
		"log_check":     stringArg(&a.LogCheck),
	}
}

// parseMetrics reads what is to be counted.
func parseMetrics(d *caddyfile.Dispenser, m *config.Metrics) error {
	for _, name := range d.RemainingArgs() {
		if name != "per_key" {
			return d.Errf("metrics: %q is not known; there is per_key", name)
		}
		m.PerKey = true
	}
	if !m.PerKey {
		return d.Err("metrics: takes one argument, per_key")
	}
	return nil
}

func parseSign(d *caddyfile.Dispenser, a *App) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	s := &a.Sign
	return subdirectives{
		"header":    stringArg(&s.Header),
		"algorithm": stringArg(&s.Algorithm),
		"secret":    stringArg(&s.Secret),
		"issuer":    stringArg(&s.Issuer),
		"audience":  stringArg(&s.Audience),
		"ttl":       parsedArg(&s.TTL, config.ParseDuration),
		"rotate":    parsedArg(&s.Rotate, config.ParseDuration),
	}.parse(d, "sign", a.Validate)
}

// parseGate reads the directive. Syntax:
//
//	ingest_auth [<matcher>] {
//	    credential bearer
//	    credential header <names…>
//	    credential query  <names…>
//	    credential body   <fields…> [in <array>]
//	    credential basic  [user|password]
//	    credential form   <fields…>
//	    remove     <location…>
//	    enforce    on|off
//	    conflict   reject|first
//	    strip      on|off
//	    copies     cut|refuse|keep
//	    mode       live|test…
//	    scope      [<method>] <names…> {
//	        status  403|404
//	        message <text>
//	    }
//	    resource   <name> path|query|body <pattern>|<param>|<field> {
//	        optional
//	        status  400|401|403|404
//	        message <text>
//	    }
//	    require       any|all <fields…> [in <array>]
//	    require_query <names…>
//	    body_shape    object|array|any
//	    max_body    <size>
//	    max_decoded <size>
//	    max_ratio   <n>
//	    max_items   <n>
//	    min_items   <n>
//	    limit          [<name>] <n>/<window> by <dimensions…> [cost body_items [in <array>]]
//	    limit_failures <n>/<window> by ip
//	    limit_headers  unix|seconds|ietf|off
//	    in_flight      <n> by key|account
//	    bind        request|body
//	    pass_preflights
//	    cors        <origins…>
//	    errors      json|problem|caddy
//	    error       <status> [<content-type> [<body>]]
//	}
func parseGate(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	g := new(Gate)
	if err := g.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return g, nil
}

// UnmarshalCaddyfile sets up the gate from Caddyfile tokens.
func (g *Gate) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		return d.ArgErr()
	}
	return g.subdirectives().parse(d, gateBlock, g.Validate)
}

func (g *Gate) subdirectives() subdirectives {
	return subdirectives{
		"credential":      parseLocation(&g.Credentials, "where keys may stand"),
		"remove":          parseLocation(&g.Remove, "what is removed though it is no credential"),
		"enforce":         stringArg(&g.Enforce),
		"conflict":        stringArg(&g.Conflict),
		"strip":           stringArg(&g.Strip),
		"copies":          stringArg(&g.Copies),
		"mode":            listArg(&g.Modes),
		"scope":           g.parseScope,
		"resource":        g.parseResource,
		"require":         g.parseRequire,
		"require_query":   listArg(&g.RequireQuery),
		"body_shape":      stringArg(&g.BodyShape),
		"max_body":        parsedArg(&g.MaxBody, config.ParseSize),
		"max_decoded":     parsedArg(&g.MaxDecoded, config.ParseSize),
		"max_ratio":       parsedArg(&g.MaxRatio, parseCount),
		"max_items":       parsedArg(&g.MaxItems, parseCount),
		"min_items":       parsedArg(&g.MinItems, parseCount),
		"limit":           g.parseLimit,
		"limit_failures":  g.parseLimitFailures,
		"limit_headers":   stringArg(&g.LimitHeaders),
		"in_flight":       g.parseInFlight,
		"bind":            stringArg(&g.Bind),
		"pass_preflights": flag(&g.PassPreflights),
		"cors":            g.parseCORS,
		"errors":          stringArg(&g.Errors),
		"error":           g.parseError,
	}
}

func parseCount(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number; write something like 100", s)
	}
	return n, nil
}

// parseLocation returns a reader for a location.
func parseLocation(to *[]config.Location, what string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		setting, args := d.Val(), d.RemainingArgs()
		if len(args) == 0 {
			return d.Errf("%s: write %s: %s", setting, what, alternatives(config.LocationStyles()))
		}
		l := config.Location{In: args[0]}
		if len(args) > 1 {
			l.Names = args[1:]
		}
		if n := len(l.Names); l.HasRows() && n > 2 && l.Names[n-2] == "in" {
			l.Names, l.Rows = l.Names[:n-2], l.Names[n-1]
		}
		*to = append(*to, l)
		return nil
	}
}

// alternatives returns names as people list them.
func alternatives(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

func (g *Gate) parseScope(d *caddyfile.Dispenser) error {
	var s config.Scope
	s.Names = d.RemainingArgs()
	if len(s.Names) > 0 && config.IsScopeMethod(s.Names[0]) {
		s.Method, s.Names = s.Names[0], s.Names[1:]
	}
	g.Scopes = append(g.Scopes, s)
	return g.parseDenial(d, "scope", &g.Scopes[len(g.Scopes)-1].Denial, subdirectives{})
}

func (g *Gate) parseResource(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 3 {
		return d.Err("resource: write `resource NAME path PATTERN`, `resource NAME query PARAM` or `resource NAME body FIELD`")
	}
	g.Resources = append(g.Resources, config.Resource{Name: args[0], In: args[1], At: args[2]})
	r := &g.Resources[len(g.Resources)-1]
	return g.parseDenial(d, "resource", &r.Denial, subdirectives{"optional": flag(&r.Optional)})
}

// parseDenial reads the block of a subdirective that may deny a request.
func (g *Gate) parseDenial(d *caddyfile.Dispenser, name string, to *config.Denial, others subdirectives) error {
	others["status"] = parsedArg(&to.Status, parseCount)
	others["message"] = stringArg(&to.Message)
	return others.parse(d, name, g.Validate)
}

func (g *Gate) parseRequire(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) < 2 || args[0] != "any" && args[0] != "all" {
		return d.Err("require: write `require any FIELD…` or `require all FIELD…`, with `in ARRAY` for the rows of an array")
	}
	r := config.Requirement{Any: args[0] == "any", Fields: args[1:]}
	if n := len(r.Fields); n > 2 && r.Fields[n-2] == "in" {
		r.Fields, r.In = r.Fields[:n-2], r.Fields[n-1]
	}
	g.Require = append(g.Require, r)
	return nil
}

func (g *Gate) parseCORS(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.Err("cors: write the origins whose pages may use the service, such as https://app.example.com, or *")
	}
	for _, arg := range args {
		g.CORS = append(g.CORS, config.Origin(arg))
	}
	return nil
}

func (g *Gate) parseError(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 || len(args) > 3 {
		return d.Err("error: write `error STATUS CONTENT-TYPE BODY`, or `error STATUS` for an empty answer")
	}
	status, err := strconv.Atoi(args[0])
	if err != nil {
		return d.Errf("error: %q is not a status code", args[0])
	}
	e := config.ErrorBody{Status: status}
	if len(args) > 1 {
		e.ContentType = args[1]
	}
	if len(args) > 2 {
		e.Body = args[2]
	}
	g.ErrorBodies = append(g.ErrorBodies, e)
	return nil
}

// parseJWKS reads the directive. Syntax:
//
//	ingest_auth_jwks [<matcher>]
func parseJWKS(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // consume directive name
	if h.NextArg() || h.NextBlock(0) {
		return nil, h.ArgErr()
	}
	return new(JWKS), nil
}
