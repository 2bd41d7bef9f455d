package caddymodule

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/wire"
)

func init() {
	caddy.RegisterModule(new(Transport))
}

// Transport is a transport of reverse_proxy that takes less CPU time than Caddy's own. It
// speaks HTTP/1.1 to backends behind TCP and Unix sockets, not TLS and not HTTP/2. It does not
// ask backends for compressed responses, and does not use the HTTP proxies in the environment.
//
// For requests without a body, or with a body of known length up to 64 KiB, the handler's own
// goroutine writes the request and reads the response. All others use Caddy's transport, with
// the same settings: upgrades such as WebSockets, chunked and longer bodies, trailers.
type Transport struct {
	// DialTimeout is how long connecting to a backend may take. Default: `3s`.
	DialTimeout config.Duration `json:"dial_timeout,omitempty"`

	// ResponseHeaderTimeout is how long a backend may take to send the response header after
	// the request was written. Default: no limit.
	ResponseHeaderTimeout config.Duration `json:"response_header_timeout,omitempty"`

	// ReadTimeout is how long a backend may be silent within a response. Default: no limit.
	ReadTimeout config.Duration `json:"read_timeout,omitempty"`

	// WriteTimeout is how long a backend may take to accept a request (for chunked and longer
	// bodies: a part of it). Default: `30s`.
	WriteTimeout config.Duration `json:"write_timeout,omitempty"`

	// KeepAlive is how long an idle connection is kept. Default: `2m`.
	KeepAlive config.Duration `json:"keepalive,omitempty"`

	// MaxIdle is how many idle connections to each backend are kept. Default: 128.
	MaxIdle int `json:"max_idle,omitempty"`

	// MaxResponseHeader is how long a response header may be. Default: `1MiB`.
	MaxResponseHeader config.Size `json:"max_response_header,omitempty"`

	usual *reverseproxy.HTTPTransport
	wire  *wire.Transport
}

// CaddyModule returns the Caddy module information.
func (*Transport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.ingest",
		New: func() caddy.Module { return new(Transport) },
	}
}

// UnmarshalCaddyfile reads the transport's block. Syntax:
//
//	transport ingest {
//	    dial_timeout            <duration>
//	    response_header_timeout <duration>
//	    read_timeout            <duration>
//	    write_timeout           <duration>
//	    keepalive               <duration>
//	    max_idle                <n>
//	    max_response_header     <size>
//	}
func (t *Transport) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the name
	if d.NextArg() {
		return d.ArgErr()
	}
	return subdirectives{
		"dial_timeout":            parsedArg(&t.DialTimeout, config.ParseDuration),
		"response_header_timeout": parsedArg(&t.ResponseHeaderTimeout, config.ParseDuration),
		"read_timeout":            parsedArg(&t.ReadTimeout, config.ParseDuration),
		"write_timeout":           parsedArg(&t.WriteTimeout, config.ParseDuration),
		"keepalive":               parsedArg(&t.KeepAlive, config.ParseDuration),
		"max_idle":                parsedArg(&t.MaxIdle, parseCount),
		"max_response_header":     parsedArg(&t.MaxResponseHeader, config.ParseSize),
	}.parse(d, "transport ingest", t.Validate)
}

// Validate checks the settings.
func (t *Transport) Validate() error {
	for _, setting := range []struct {
		name  string
		value int64
	}{
		{"dial_timeout", int64(t.DialTimeout)},
		{"response_header_timeout", int64(t.ResponseHeaderTimeout)},
		{"read_timeout", int64(t.ReadTimeout)},
		{"write_timeout", int64(t.WriteTimeout)},
		{"keepalive", int64(t.KeepAlive)},
		{"max_idle", int64(t.MaxIdle)},
		{"max_response_header", int64(t.MaxResponseHeader)},
	} {
		if setting.value < 0 {
			return errors.New("transport ingest: " + setting.name + ": must not be negative")
		}
	}
	return nil
}

// Provision prepares both ways that a request can go.
func (t *Transport) Provision(ctx caddy.Context) error {
	t.setDefaults()
	off := false
	t.usual = &reverseproxy.HTTPTransport{
		DialTimeout:           caddy.Duration(t.DialTimeout),
		ResponseHeaderTimeout: caddy.Duration(t.ResponseHeaderTimeout),
		ReadTimeout:           caddy.Duration(t.ReadTimeout),
		WriteTimeout:          caddy.Duration(t.WriteTimeout),
		MaxResponseHeaderSize: int64(t.MaxResponseHeader),
		Compression:           &off,
		Versions:              []string{"1.1"},
		KeepAlive: &reverseproxy.KeepAlive{
			IdleConnTimeout:     caddy.Duration(t.KeepAlive),
			MaxIdleConnsPerHost: t.MaxIdle,
		},
	}
	if err := t.usual.Provision(ctx); err != nil {
		return err
	}
	t.usual.Transport.Proxy = nil
	t.usual.Transport.DialContext = steadily(t.usual.Transport.DialContext)
	t.wire = &wire.Transport{
		Other:                 t.usual,
		Address:               addressOf,
		Dial:                  t.dialer(),
		ResponseHeaderTimeout: time.Duration(t.ResponseHeaderTimeout),
		ReadTimeout:           time.Duration(t.ReadTimeout),
		WriteTimeout:          time.Duration(t.WriteTimeout),
		MaxResponseHeader:     int64(t.MaxResponseHeader),
		MaxIdle:               t.MaxIdle,
		IdleTimeout:           time.Duration(t.KeepAlive),
	}
	return nil
}

func (t *Transport) setDefaults() {
	t.DialTimeout = cmp.Or(t.DialTimeout, config.Duration(3*time.Second))
	t.WriteTimeout = cmp.Or(t.WriteTimeout, config.Duration(wire.DefaultWriteTimeout))
	t.KeepAlive = cmp.Or(t.KeepAlive, config.Duration(wire.DefaultIdleTimeout))
	t.MaxIdle = cmp.Or(t.MaxIdle, wire.DefaultMaxIdle)
	t.MaxResponseHeader = cmp.Or(t.MaxResponseHeader, wire.DefaultMaxResponseHeader)
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dialer returns a function that connects. Its errors are known to reverse_proxy, which may
// then send the request to another backend, whatever the method.
func (t *Transport) dialer() dialFunc {
	dialer := net.Dialer{Timeout: time.Duration(t.DialTimeout)}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dialer.DialContext(ctx, network, address)
		if err != nil {
			return nil, reverseproxy.NewDialError(err)
		}
		return c, nil
	}
}

// steadily returns dial for http.Transport, which would continue to read after a time-out and
// split the header line in which it happened. It also hides the connection's ReadFrom, because
// with it the time-out of a write would cover the whole body.
func steadily(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return wire.Steady(c), nil
	}
}

// addressOf returns where reverse_proxy wants to send the request.
func addressOf(r *http.Request) (network, address string) {
	if info, ok := reverseproxy.GetDialInfo(r.Context()); ok {
		return info.Network, info.Address
	}
	return "tcp", r.URL.Host
}

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	t.usual.SetScheme(r)
	return t.wire.RoundTrip(r)
}

// TLSEnabled says that the transport does not use TLS.
func (*Transport) TLSEnabled() bool { return false }

// EnableTLS refuses an https upstream, because this transport would send it plain HTTP.
func (*Transport) EnableTLS(*reverseproxy.TLSConfig) error {
	return errors.New("transport ingest speaks plain HTTP; use transport http for an https upstream")
}

// EnableH2C refuses an h2c upstream.
func (*Transport) EnableH2C() error {
	return errors.New("transport ingest speaks HTTP/1.1; use transport http for an h2c upstream")
}

// Cleanup closes the connections to the backends; those in use are closed when their
// request ends.
func (t *Transport) Cleanup() error {
	if t.wire != nil { // nil after a Provision that failed
		t.wire.Close()
		return t.usual.Cleanup()
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner         = (*Transport)(nil)
	_ caddy.Validator           = (*Transport)(nil)
	_ caddy.CleanerUpper        = (*Transport)(nil)
	_ caddyfile.Unmarshaler     = (*Transport)(nil)
	_ http.RoundTripper         = (*Transport)(nil)
	_ reverseproxy.TLSTransport = (*Transport)(nil)
	_ reverseproxy.H2CTransport = (*Transport)(nil)
)
