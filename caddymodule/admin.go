package caddymodule

import (
	"errors"
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
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.ingest_auth",
		New: func() caddy.Module { return new(Admin) },
	}
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
	app, err := runningApp()
	if err != nil {
		return err
	}
	writeJWKS(w, app.signer.value)
	return nil
}

// runningApp returns the app of the configuration that is running. The admin
// endpoint may belong to a later one, which failed to load.
func runningApp() (*App, error) {
	v, err := caddy.ActiveContext().AppIfConfigured(appID)
	if err != nil {
		return nil, caddy.APIError{
			HTTPStatus: http.StatusNotFound,
			Err:        errors.New("ingest_auth is not configured"),
		}
	}
	return v.(*App), nil
}

// Interface guard
var _ caddy.AdminRouter = (*Admin)(nil)
