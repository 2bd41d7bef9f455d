// Package logs keeps keys out of Caddy's logs. It has the log encoder that cleans entries,
// and the check that every log for requests uses it.
package logs

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

func init() {
	caddy.RegisterModule(new(RedactEncoder))
}

// Names are the names of places for keys, for everything that is logged. Logs are set up
// before the gates and outlive them. So one set, which only grows, has the names of all
// gates so far.
var Names = redact.NewNames()

// RedactEncoder keeps keys out of logs. It wraps another encoder and replaces
// every key in log entries with REDACTED, wherever it is. Caddy captures requests for its
// logs before any handler runs, so logs can be cleaned only here.
//
// It recognizes a key by its value, if the key file or the cache has its digest. It
// recognizes a key by the name of its place, if the name has words such as `token`, is
// configured in a gate, or is added here. And it recognizes a key by its form, if it
// begins like the keys of a well-known vendor, or a pattern matches it. In a request
// without a good key everything that could be a key is redacted.
type RedactEncoder struct {
	// The encoder that writes the entries. Default: `json`, or `console` if the
	// output is a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// Additional names of query parameters and JSON or form fields to redact.
	Query []string `json:"query,omitempty"`

	// Additional names of headers to redact.
	Headers []string `json:"headers,omitempty"`

	// Regular expressions (RE2) of keys, which are redacted wherever they are.
	Patterns []string `json:"patterns,omitempty"`

	*contextEncoder `json:"-"`
	wrappedDefault  bool
	removePatterns  []func()
	ctx             caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*RedactEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders.redact_keys",
		New: func() caddy.Module { return new(RedactEncoder) },
	}
}

// Provision sets up the wrapped encoder.
func (e *RedactEncoder) Provision(ctx caddy.Context) error {
	e.ctx = ctx
	Names.AddQuery(e.Query...)
	for _, h := range e.Headers {
		Names.AddHeader(h)
	}
	for _, pattern := range e.Patterns {
		p, err := compile(pattern)
		if err != nil {
			return fmt.Errorf("redact_keys: %w", err)
		}
		e.removePatterns = append(e.removePatterns, Names.AddPattern(p))
	}
	if e.WrappedRaw == nil {
		e.wrappedDefault = true
		return e.wrap(&logging.JSONEncoder{})
	}
	v, err := ctx.LoadModule(e, "WrappedRaw")
	if err != nil {
		return fmt.Errorf("loading the encoder that redact_keys wraps: %w", err)
	}
	e.setWrapped(v.(zapcore.Encoder))
	return nil
}

// compile returns the regular expression of a pattern. One that matches nothing at all, as
// x* does, would redact every text.
func compile(pattern string) (*regexp.Regexp, error) {
	p, err := regexp.Compile(pattern)
	if err != nil {
		return nil, fmt.Errorf("pattern: %w", err)
	}
	if p.MatchString("") {
		return nil, fmt.Errorf("pattern: `%s` also matches an empty text; write what every key has, such as `acme_[0-9a-f]{32}`", pattern)
	}
	return p, nil
}

// Cleanup takes the patterns back.
func (e *RedactEncoder) Cleanup() error {
	for _, remove := range e.removePatterns {
		remove()
	}
	return nil
}

// wrap provisions and wraps one of the default encoders.
func (e *RedactEncoder) wrap(enc zapcore.Encoder) error {
	if p, ok := enc.(caddy.Provisioner); ok {
		if err := p.Provision(e.ctx); err != nil {
			return fmt.Errorf("provisioning the default log encoder: %w", err)
		}
	}
	e.setWrapped(enc)
	return nil
}

func (e *RedactEncoder) setWrapped(enc zapcore.Encoder) {
	plain := false
	switch enc.(type) {
	case *logging.JSONEncoder, *logging.ConsoleEncoder:
		plain = true
	}
	e.contextEncoder = newContextEncoder(enc, plain, nil)
}

// ConfigureDefaultFormat makes the default format "console" if the output is a
// terminal, and passes the writer on to a wrapped encoder that also needs it.
func (e *RedactEncoder) ConfigureDefaultFormat(wo caddy.WriterOpener) error {
	if !e.wrappedDefault {
		if cfd, ok := e.base.(caddy.ConfiguresFormatterDefault); ok {
			return cfd.ConfigureDefaultFormat(wo)
		}
		return nil
	}
	if caddy.IsWriterStandardStream(wo) && term.IsTerminal(int(os.Stderr.Fd())) {
		return e.wrap(&logging.ConsoleEncoder{})
	}
	return nil
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	redact_keys {
//	    wrap    <encoder> { … }
//	    query   <names…>
//	    headers <names…>
//	    pattern <regexp>
//	}
func (e *RedactEncoder) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume encoder name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		switch d.Val() {
		case "wrap":
			if err := e.unmarshalWrap(d); err != nil {
				return err
			}
		case "query":
			e.Query = append(e.Query, d.RemainingArgs()...)
		case "headers":
			e.Headers = append(e.Headers, d.RemainingArgs()...)
		case "pattern":
			if err := e.unmarshalPattern(d); err != nil {
				return err
			}
		default:
			return d.Errf("redact_keys: unknown subdirective %q; use one of wrap, query, headers, pattern", d.Val())
		}
	}
	return nil
}

func (e *RedactEncoder) unmarshalPattern(d *caddyfile.Dispenser) error {
	var pattern string
	if !d.AllArgs(&pattern) {
		return d.Err("redact_keys: pattern: write one regular expression, in backquotes if it has spaces or backslashes")
	}
	if _, err := compile(pattern); err != nil {
		return d.Errf("redact_keys: %v", err)
	}
	e.Patterns = append(e.Patterns, pattern)
	return nil
}

func (e *RedactEncoder) unmarshalWrap(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	v, err := caddyfile.UnmarshalModule(d, "caddy.logging.encoders."+name)
	if err != nil {
		return err
	}
	enc, ok := v.(zapcore.Encoder)
	if !ok {
		return d.Errf("redact_keys: %s is not a log encoder", strings.TrimSpace(name))
	}
	e.WrappedRaw = caddyconfig.JSONModuleObject(enc, "format", name, nil)
	return nil
}

// Interface guards
var (
	_ zapcore.Encoder                  = (*RedactEncoder)(nil)
	_ caddy.Provisioner                = (*RedactEncoder)(nil)
	_ caddy.CleanerUpper               = (*RedactEncoder)(nil)
	_ caddyfile.Unmarshaler            = (*RedactEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*RedactEncoder)(nil)
)
