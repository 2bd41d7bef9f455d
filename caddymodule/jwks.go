package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
)

func init() {
	caddy.RegisterModule(new(JWKS))
}

// JWKS serves the public keys that verify assertions, as a JSON Web Key Set (RFC
// 7517, section 5). The set has the keys of the next rotation before they are used, and
// Cache-Control says how long it may be cached. With HS256 the set is empty.
type JWKS struct {
	signer *assertion.Signer
}

// CaddyModule returns the Caddy module information.
func (*JWKS) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.ingest_auth_jwks",
		New: func() caddy.Module { return new(JWKS) },
	}
}

// Provision finds the app's signing keys.
func (j *JWKS) Provision(ctx caddy.Context) error {
	v, err := ctx.App(appID)
	if err != nil {
		return err
	}
	j.signer = v.(*App).signer.value
	return nil
}

// ServeHTTP answers GET and HEAD with the key set.
func (j *JWKS) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	writeJWKS(w, j.signer)
	return nil
}

func writeJWKS(w http.ResponseWriter, s *assertion.Signer) {
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", fmt.Sprintf("public, max-age=%d", int(s.JWKSMaxAge().Seconds())))
	_, _ = w.Write(s.JWKS()) // the client is gone if this fails
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

// Interface guards
var (
	_ caddy.Provisioner           = (*JWKS)(nil)
	_ caddyhttp.MiddlewareHandler = (*JWKS)(nil)
)
