package forward

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(new(Handler))
	httpcaddyfile.RegisterHandlerDirective("ingest_forward", parseCaddyfile)
	httpcaddyfile.RegisterDirectiveOrder("ingest_forward", httpcaddyfile.After, "reverse_proxy")
}

// Handler forwards requests to backends, as
// [reverse_proxy](https://caddyserver.com/docs/json/apps/http/servers/routes/handle/reverse_proxy/)
// does, for about half of its CPU time. Settings, placeholders, errors, health checks and answers
// are those of reverse_proxy.
//
// Plain requests take the short way: HTTP/1.1 to the backend over TCP or a Unix socket, without a
// body or with a body of known length up to 64 KiB, no upgrade, no trailers, no `Expect`. All
// others go through a reverse_proxy that this handler holds. So do all requests if a setting
// is used that the short way does not know: TLS, h2c or another transport, dynamic upstreams, a
// circuit breaker, `unhealthy_request_count`, `unhealthy_latency`, another `lb_policy` than
// `random`, `round_robin`, `first` and `least_conn`, `lb_retry_match`, `rewrite`,
// `handle_response`, buffers, `flush_interval`, `verbose_logs`, log level DEBUG. docs/configuration.md
// lists them all.
type Handler struct {
	reverseproxy.Handler

	short *shortWay // nil if the settings need reverse_proxy
}

// CaddyModule returns the Caddy module information.
func (*Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.ingest_forward",
		New: func() caddy.Module { return new(Handler) },
	}
}

// parseCaddyfile reads the directive. It is written like reverse_proxy.
func parseCaddyfile(helper httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h := new(Handler)
	if err := h.UnmarshalCaddyfile(helper.Dispenser); err != nil {
		return nil, err
	}
	if err := h.FinalizeUnmarshalCaddyfile(helper); err != nil {
		return nil, err
	}
	return h, nil
}

// Provision prepares both ways that a request can go.
func (h *Handler) Provision(ctx caddy.Context) error {
	var err error
	if h.short, err = newShortWay(ctx, &h.Handler); err != nil {
		return err
	}
	return h.Handler.Provision(ctx)
}

// Cleanup closes the connections to the backends; those in use are closed when their
// request ends.
func (h *Handler) Cleanup() error {
	if h.short != nil {
		h.short.close()
	}
	return h.Handler.Cleanup()
}

// ServeHTTP forwards a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if h.short == nil || !isPlain(r) {
		return h.Handler.ServeHTTP(w, r, next)
	}
	return h.short.serve(w, r, next)
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
