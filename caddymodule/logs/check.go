package logs

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// loggerName is a module that has only an ID, the name of a logger.
type loggerName string

// CaddyModule returns the Caddy module information.
func (n loggerName) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: caddy.ModuleID(n), New: func() caddy.Module { return n }}
}

// logCheck looks at the logs that HTTP requests reach.
type logCheck struct {
	ctx            caddy.Context
	places         []config.Location // where keys may be
	identityHeader string            // that carries the assertion
	logCredentials bool              // a server has the option log_credentials
}

// leaks returns what to do about the sinks of a logger that would write keys, "" if there
// are none. missing is the text for sinks without the redact_keys encoder.
func (c *logCheck) leaks(name, missing string) (remedy string) {
	p := newLogProbe(c.places, c.identityHeader, c.logCredentials)
	activeProbe.Store(p)
	defer activeProbe.Store(nil)
	c.ctx.Logger(loggerName(name)).Core().With(p.fields)
	switch {
	case p.encoded != p.cleaned:
		return missing
	case len(p.leaked) > 0:
		return "remove " + strings.Join(p.leaked, ", ") + " from the filter around redact_keys, or move the filter into the block of `format redact_keys`, as `wrap filter`"
	}
	return ""
}

// Check returns an error that names the logs that HTTP requests reach and that would write
// keys from these places, or assertions from the identity header.
func Check(ctx caddy.Context, places []config.Location, identityHeader string) error {
	c := logCheck{ctx: ctx, places: places, identityHeader: identityHeader}
	names := c.readServers()
	const global = "write `format redact_keys` into a block `log` of the global options, and into every other `log` there"
	if c.leaks("http", global) == "" {
		return nil
	}
	var bad []string
	for _, name := range names {
		if remedy := c.leaks("http.log.access."+name, "add `format redact_keys` to the site's `log` block"); remedy != "" {
			bad = append(bad, nameOf(name)+": "+remedy)
		}
	}
	if remedy := c.leaks("http.log.error", global); remedy != "" || len(bad) == 0 {
		bad = append(bad, "a global log (the default log, which gets the errors of all sites, or one with a name): "+cmp.Or(remedy, c.leaks("http", global)))
	}
	return fmt.Errorf("ingest_auth: refusing to start, because keys would be written in clear to %s; to keep another format, write it into the block of redact_keys, as `wrap console` or `wrap json` (`log_check off` in the global ingest_auth option turns this check off)",
		strings.Join(bad, "; and to "))
}

// nameOf names an access log. A plain `log` makes one without a name.
func nameOf(accessLog string) string {
	if accessLog == "" {
		return "the access log of a site"
	}
	return fmt.Sprintf("the access log %q", accessLog)
}

// readServers returns the names of the access logs of all servers.
func (c *logCheck) readServers() []string {
	v, err := c.ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	var names []string
	for _, srv := range v.(*caddyhttp.App).Servers {
		if srv.Logs == nil {
			continue
		}
		c.logCredentials = c.logCredentials || srv.Logs.ShouldLogCredentials
		if srv.Logs.DefaultLoggerName != "" {
			names = append(names, srv.Logs.DefaultLoggerName)
		}
		for _, loggers := range srv.Logs.LoggerNames {
			names = append(names, loggers...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
