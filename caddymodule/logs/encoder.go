// Package logs keeps keys out of Caddy's logs: the log encoder that cleans what passes, and
// the check that every log which requests reach has it.
package logs

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/logging"
	"go.uber.org/zap/buffer"
	"go.uber.org/zap/zapcore"
	"golang.org/x/term"

	"github.com/ingestauth/caddy-ingest-auth/internal/redact"
)

func init() {
	caddy.RegisterModule(new(RedactEncoder))
}

// Names are the names under which keys may stand in anything that is logged.
// Logs are set up before the gates are, and outlive them, so the names of all
// gates that ever were are kept in one set that only grows.
var Names = redact.NewNames()

// RedactEncoder keeps keys out of logs. It wraps another encoder and replaces
// every key in what passes through with REDACTED: the values of credential
// parameters in URLs, the values of credential headers, keys in error texts, and
// assertions. Caddy captures requests for its logs before any handler runs, so
// this is the only place where logs can be cleaned.
//
// It knows the usual names of credentials, those of every gate in the
// configuration, and the ones that are added here.
type RedactEncoder struct {
	// The encoder that writes the entries. Default: `json`, or `console` if the
	// output is a terminal.
	WrappedRaw json.RawMessage `json:"wrap,omitempty" caddy:"namespace=caddy.logging.encoders inline_key=format"`

	// Additional names of query parameters and JSON or form fields to redact.
	Query []string `json:"query,omitempty"`

	// Additional names of headers to redact.
	Headers []string `json:"headers,omitempty"`

	cleaner        `json:"-"`
	wrapped        zapcore.Encoder
	wrappedDefault bool
	ctx            caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*RedactEncoder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "caddy.logging.encoders.redact_keys",
		New: func() caddy.Module { return new(RedactEncoder) },
	}
}

// Provision sets up the encoder that is wrapped.
func (e *RedactEncoder) Provision(ctx caddy.Context) error {
	e.ctx = ctx
	Names.AddQuery(e.Query...)
	for _, h := range e.Headers {
		Names.AddHeader(h)
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
	e.wrapped, e.cleaner = enc, cleaner{enc}
}

// ConfigureDefaultFormat makes the default format "console" if the output is a
// terminal, and passes the writer on to a wrapped encoder that decides likewise.
func (e *RedactEncoder) ConfigureDefaultFormat(wo caddy.WriterOpener) error {
	if !e.wrappedDefault {
		if cfd, ok := e.wrapped.(caddy.ConfiguresFormatterDefault); ok {
			return cfd.ConfigureDefaultFormat(wo)
		}
		return nil
	}
	if caddy.IsWriterStandardStream(wo) && term.IsTerminal(int(os.Stderr.Fd())) {
		return e.wrap(&logging.ConsoleEncoder{})
	}
	return nil
}

// Clone is part of the zapcore.Encoder interface.
func (e *RedactEncoder) Clone() zapcore.Encoder {
	return newContextEncoder(e.wrapped, nil)
}

// EncodeEntry is part of the zapcore.Encoder interface.
func (e *RedactEncoder) EncodeEntry(ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	return encodeClean(e.wrapped, nil, ent, fields)
}

// encodeClean encodes an entry without keys. context are the fields of its logger that the
// encoder has not been given yet.
func encodeClean(to zapcore.Encoder, context []zapcore.Field, ent zapcore.Entry, fields []zapcore.Field) (*buffer.Buffer, error) {
	enc := to.Clone()
	for i := range context {
		context[i].AddTo(cleaner{enc})
	}
	for i := range fields {
		fields[i].AddTo(cleaner{enc})
	}
	ent.Message = Names.Text(ent.Message)
	ent.Stack = Names.Text(ent.Stack)
	return enc.EncodeEntry(ent, nil)
}

// UnmarshalCaddyfile sets up the encoder from Caddyfile tokens. Syntax:
//
//	redact_keys {
//	    wrap    <encoder> { … }
//	    query   <names…>
//	    headers <names…>
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
		default:
			return d.Errf("redact_keys: unknown subdirective %q; use one of wrap, query, headers", d.Val())
		}
	}
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
	_ caddyfile.Unmarshaler            = (*RedactEncoder)(nil)
	_ caddy.ConfiguresFormatterDefault = (*RedactEncoder)(nil)
)
