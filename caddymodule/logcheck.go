package caddymodule

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logProbe is a log object that counts the sinks which encode it, and those that
// do so through the redact_keys encoder, which recognizes the value of its field.
//
// It is given to zapcore.Core.With, which makes every sink's core encode it at
// once, whatever its level, and writes nothing.
type logProbe struct {
	canary  string
	encoded int
	cleaned int
}

// activeProbe is the probe that the encoder looks out for.
var activeProbe atomic.Pointer[logProbe]

// MarshalLogObject is part of the zapcore.ObjectMarshaler interface.
func (p *logProbe) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	p.encoded++
	enc.AddString("redact_keys_probe", p.canary)
	return nil
}

// countProbe is called with every string that passes the redact_keys encoder.
func countProbe(value string) {
	if p := activeProbe.Load(); p != nil && value == p.canary {
		p.cleaned++
	}
}

// loggerName stands for a module whose only purpose is its ID, the name of a
// logger.
type loggerName string

// CaddyModule returns the Caddy module information.
func (n loggerName) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: caddy.ModuleID(n), New: func() caddy.Module { return n }}
}

// leaks reports whether some sink of the logger would write keys.
func leaks(ctx caddy.Context, name string) bool {
	p := &logProbe{canary: "/?apiKey=" + rand.Text()}
	activeProbe.Store(p)
	defer activeProbe.Store(nil)
	ctx.Logger(loggerName(name)).Core().With([]zapcore.Field{zap.Object("request", p)})
	return p.encoded != p.cleaned
}

// checkLogs returns an error that names the logs which HTTP requests reach and
// which would write keys.
func checkLogs(ctx caddy.Context) error {
	if !leaks(ctx, "http") {
		return nil
	}
	var bad []string
	for _, name := range accessLogs(ctx) {
		if leaks(ctx, "http.log.access."+name) {
			bad = append(bad, nameOf(name)+": add `format redact_keys` to the site's `log` block")
		}
	}
	if leaks(ctx, "http.log.error") || len(bad) == 0 {
		bad = append(bad, "a global log (the default one, where errors of all sites go, or one you named): add `format redact_keys` to every `log` in the global options")
	}
	return fmt.Errorf("ingest_auth: refusing to start, because keys would be written in clear to %s (`log_check off` in the global ingest_auth option turns this check off)",
		strings.Join(bad, "; and to "))
}

// nameOf names an access log. One without a name of its own is what `log` alone makes.
func nameOf(accessLog string) string {
	if accessLog == "" {
		return "the access log of a site"
	}
	return fmt.Sprintf("the access log %q", accessLog)
}

// accessLogs returns the names of the access logs of all servers.
func accessLogs(ctx caddy.Context) []string {
	v, err := ctx.AppIfConfigured("http")
	if err != nil {
		return nil
	}
	var names []string
	for _, srv := range v.(*caddyhttp.App).Servers {
		if srv.Logs == nil {
			continue
		}
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
