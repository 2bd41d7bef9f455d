package caddymodule

import (
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// parseGate reads the directive. Syntax:
//
//	ingest_auth [<matcher>] {
//	    credential bearer
//	    credential scheme <names…>
//	    credential header <names…> [param <name>]
//	    credential cookie <names…>
//	    credential path   <patterns…>
//	    credential query  <names…>
//	    credential body   <paths…> [in <path>]
//	    credential basic  [user|password]
//	    credential form   <fields…>
//	    credential multipart <fields…>
//	    remove     <location…>
//	    body_in    form|query <names…>
//	    enforce    on|off
//	    conflict   reject|first
//	    strip      on|off
//	    copies     cut|refuse|keep
//	    mode       live|test…
//	    scope      [<method>] <names…> {
//	        status  403|404
//	        message <text>
//	    }
//	    resource   <name> path|query|body <pattern>|<param>|<path> {
//	        optional
//	        status  400|401|403|404
//	        message <text>
//	    }
//	    require       any|all <paths…> [in <path>]
//	    require_query <names…>
//	    body_shape    object|array|any
//	    body_concatenated on|off
//	    max_body    <size>
//	    max_decoded <size>
//	    max_ratio   <n>
//	    max_items   <n>
//	    min_items   <n>
//	    limit          [<name>] <n>/<window> by <dimensions…> [cost body_items [in <path>]]
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
		"credential":        parseLocation(&g.Credentials, "where keys may be"),
		"remove":            parseLocation(&g.Remove, "what to remove although it is not a credential"),
		"body_in":           g.parseBodyIn,
		"enforce":           stringArg(&g.Enforce),
		"conflict":          stringArg(&g.Conflict),
		"strip":             stringArg(&g.Strip),
		"copies":            stringArg(&g.Copies),
		"mode":              listArg(&g.Modes),
		"scope":             g.parseScope,
		"resource":          g.parseResource,
		"require":           g.parseRequire,
		"require_query":     listArg(&g.RequireQuery),
		"body_shape":        stringArg(&g.BodyShape),
		"body_concatenated": stringArg(&g.BodyConcatenated),
		"max_body":          parsedArg(&g.MaxBody, config.ParseSize),
		"max_decoded":       parsedArg(&g.MaxDecoded, config.ParseSize),
		"max_ratio":         parsedArg(&g.MaxRatio, parseCount),
		"max_items":         parsedArg(&g.MaxItems, parseCount),
		"min_items":         parsedArg(&g.MinItems, parseCount),
		"limit":             g.parseLimit,
		"limit_failures":    g.parseLimitFailures,
		"limit_headers":     stringArg(&g.LimitHeaders),
		"in_flight":         g.parseInFlight,
		"bind":              stringArg(&g.Bind),
		"pass_preflights":   flag(&g.PassPreflights),
		"cors":              g.parseCORS,
		"errors":            stringArg(&g.Errors),
		"error":             g.parseError,
	}
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
		if n := len(l.Names); n > 2 && l.HasRows() && l.Names[n-2] == "in" {
			l.Names, l.Rows = l.Names[:n-2], l.Names[n-1]
		}
		if l.HasRows() && slices.Index(l.Names, "in") > 0 {
			return d.Errf("%s %s: one array follows `in`: write `%[1]s %[2]s FIELD… in ARRAY`", setting, l.In)
		}
		if i := slices.Index(l.Names, "param"); i > 0 && l.HasParam() {
			if i != len(l.Names)-2 {
				return d.Errf("%s %s: one parameter follows `param`: write `%[1]s %[2]s NAME param PARAM`", setting, l.In)
			}
			l.Names, l.Param = l.Names[:i], l.Names[i+1]
		}
		*to = append(*to, l)
		return nil
	}
}

// parseBodyIn reads fields that are JSON documents. Validation reports what is missing.
func (g *Gate) parseBodyIn(d *caddyfile.Dispenser) error {
	var b config.BodyIn
	if args := d.RemainingArgs(); len(args) > 0 {
		b.In, b.Names = args[0], args[1:]
	}
	g.BodyIn = append(g.BodyIn, b)
	return nil
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
	if slices.Index(r.Fields, "in") > 0 {
		return d.Errf("require: one array follows `in`: write `require %s FIELD… in ARRAY`", args[0])
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
		return d.Errf("error: %q is not a status code; write a number from 400 to 599", args[0])
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
