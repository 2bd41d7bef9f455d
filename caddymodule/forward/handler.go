package forward

import (
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

// Handler forwards requests to backends. Settings, placeholders, errors and answers are those of
// [reverse_proxy](https://caddyserver.com/docs/json/apps/http/servers/routes/handle/reverse_proxy/).
type Handler struct {
	reverseproxy.Handler
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

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyfile.Unmarshaler       = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
