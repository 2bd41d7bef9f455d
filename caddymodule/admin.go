package caddymodule

import (
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// Admin adds the gate's routes to Caddy's admin endpoint:
//
//	GET /ingest_auth/jwks    the public signing keys
type Admin struct {
	ctx caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.ingest_auth",
		New: func() caddy.Module { return new(Admin) },
	}
}

// Provision keeps the context: admin routes are set up before apps are.
func (a *Admin) Provision(ctx caddy.Context) error {
	a.ctx = ctx
	return nil
}

// Routes returns the admin routes.
func (a *Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/ingest_auth/jwks", Handler: caddy.AdminHandlerFunc(a.jwks)},
	}
}

func (a *Admin) jwks(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodGet {
		return caddy.APIError{
			HTTPStatus: http.StatusMethodNotAllowed,
			Err:        fmt.Errorf("method %s not allowed; use GET", r.Method),
		}
	}
	app, err := a.app()
	if err != nil {
		return err
	}
	writeJWKS(w, app.signer.value)
	return nil
}

// app returns the running app.
func (a *Admin) app() (*App, error) {
	v, err := a.ctx.AppIfConfigured(appID)
	if err != nil {
		return nil, caddy.APIError{
			HTTPStatus: http.StatusNotFound,
			Err:        fmt.Errorf("ingest_auth is not configured"),
		}
	}
	return v.(*App), nil
}

// Interface guards
var (
	_ caddy.Provisioner = (*Admin)(nil)
	_ caddy.AdminRouter = (*Admin)(nil)
)
