package caddymodule

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule/logs"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
)

// host is Caddy as the Host of gates.
type host struct {
	hold *hold // on everything that the gates use
}

// ClientIP returns the client's address as Caddy determined it.
func (host) ClientIP(r *http.Request) string {
	ip, _ := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string)
	return ip
}

// OriginalURL returns the URL that Caddy keeps for error routes and placeholders.
func (host) OriginalURL(r *http.Request) *url.URL {
	if orig, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request); ok {
		return orig.URL
	}
	return nil
}

// SetOriginalURL changes it. The URL is shared by all copies of the request. The
// request URI is not: it is replaced in this copy, and in the replacer, which an
// earlier handler may have bound to another.
func (host) SetOriginalURL(r *http.Request, u *url.URL) {
	orig := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	orig.RequestURI = gate.WithURL(orig.RequestURI, orig.URL, u)
	orig.URL.Path, orig.URL.RawPath, orig.URL.RawQuery = u.Path, u.RawPath, u.RawQuery
	ctx := context.WithValue(r.Context(), caddyhttp.OriginalRequestCtxKey, orig)
	*r = *r.WithContext(ctx)
	if repl, ok := replacer(r); ok {
		repl.Set("http.request.orig_uri", orig.RequestURI)
	}
}

// Introduce tells placeholders and the access log who is calling.
func (host) Introduce(r *http.Request, values func(name string) (any, bool), fields zapcore.ObjectMarshaler) {
	if repl, ok := replacer(r); ok {
		repl.Map(values)
	}
	addLogField(r, zap.Inline(fields))
}

// LacksKey tells the logs that everything in the request may be a key.
func (host) LacksKey(r *http.Request) { logs.LacksKey(r) }

// Value answers a placeholder.
func (host) Value(r *http.Request, name string) any {
	repl, ok := replacer(r)
	if !ok {
		return nil
	}
	value, _ := repl.Get(name)
	return value
}

// Expand replaces placeholders. A value may be empty.
func (host) Expand(r *http.Request, text string) string {
	repl, ok := replacer(r)
	if !ok {
		return text
	}
	return repl.ReplaceKnown(text, "")
}

// IsCopy reports whether r is a copy of the server's request. Handlers such as tracing
// make copies. The replacer was made for the server's request.
func (host) IsCopy(r *http.Request) bool {
	repl, ok := replacer(r)
	if !ok {
		return false
	}
	const probe = "probe"
	method := r.Method
	r.Method = probe
	seen, _ := repl.GetString("http.request.method")
	r.Method = method
	return seen != probe
}

// Error returns the error for `handle_errors`.
func (host) Error(status int, message string) error {
	return caddyhttp.Error(status, errors.New(message))
}

// Hold keeps everything open that the gates use, even if the configuration is replaced.
func (h host) Hold() { h.hold.enter() }

// Release ends Hold.
func (h host) Release() { h.hold.leave() }

func replacer(r *http.Request) (*caddy.Replacer, bool) {
	repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer)
	return repl, ok
}

// addLogField adds a field to the request's entry in the access log, if the
// server has one.
func addLogField(r *http.Request, f zap.Field) {
	ctx := r.Context()
	if srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server); !ok || srv.Logs == nil {
		return
	}
	if extra, ok := ctx.Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(f)
	}
}

// Interface guard
var _ gate.Host = host{}
