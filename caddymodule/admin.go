package caddymodule

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/internal/answer"
	"github.com/ingestauth/caddy-ingest-auth/internal/flow"
)

func init() {
	caddy.RegisterModule(new(Admin))
}

// Admin adds the gate's routes to Caddy's admin endpoint:
//
//	GET  /ingest_auth/                     a page that shows what the gates do
//	GET  /ingest_auth/status               their state
//	GET  /ingest_auth/keys                 the keys that were seen or are cached
//	GET  /ingest_auth/recent               the last requests of test keys
//	GET  /ingest_auth/jwks                 the public signing keys
//	GET  /ingest_auth/ready                readiness: 200 or 503
//	GET  /ingest_auth/live                 liveness: 200
//	POST /ingest_auth/purge                drops cached records
//	POST /ingest_auth/rotate-signing-key   begins a rotation now
//
// Caddy itself checks the Host and Origin of all requests to the endpoint.
type Admin struct{}

// CaddyModule returns the Caddy module information.
func (*Admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "admin.api.ingest_auth",
		New: func() caddy.Module { return new(Admin) },
	}
}

// Provision shows the metrics at the endpoint, even if the configuration then fails to
// load.
func (*Admin) Provision(ctx caddy.Context) error { return registerMetrics(ctx.GetMetricsRegistry()) }

// Routes returns the admin routes.
func (*Admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: "/ingest_auth/", Handler: only(http.MethodGet, adminPage)},
		{Pattern: "/ingest_auth/status", Handler: only(http.MethodGet, withApp(adminStatus))},
		{Pattern: "/ingest_auth/keys", Handler: only(http.MethodGet, withApp(adminKeys))},
		{Pattern: "/ingest_auth/recent", Handler: only(http.MethodGet, withApp(adminRecent))},
		{Pattern: "/ingest_auth/jwks", Handler: only(http.MethodGet, withApp(adminJWKS))},
		{Pattern: "/ingest_auth/ready", Handler: only(http.MethodGet, withApp(adminReady))},
		{Pattern: "/ingest_auth/live", Handler: only(http.MethodGet, adminLive)},
		{Pattern: "/ingest_auth/purge", Handler: only(http.MethodPost, withApp(adminPurge))},
		{Pattern: "/ingest_auth/rotate-signing-key", Handler: only(http.MethodPost, withApp(adminRotate))},
	}
}

// only answers one method; with GET also HEAD.
func only(method string, handle caddy.AdminHandlerFunc) caddy.AdminHandler {
	return caddy.AdminHandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if foreign(r) {
			return apiError(http.StatusForbidden, "requests from pages of other sites are refused")
		}
		if r.Method == method || r.Method == http.MethodHead && method == http.MethodGet {
			return handle(w, r)
		}
		allowed := method
		if method == http.MethodGet {
			allowed = "GET, HEAD"
		}
		w.Header().Set("Allow", allowed)
		return apiError(http.StatusMethodNotAllowed, "method not allowed; use "+method)
	})
}

// foreign reports whether a page of another site sent the request. Caddy compares only
// the host of an origin, and pages of some schemes, such as file, have no host.
func foreign(r *http.Request) bool {
	if r.Header.Get("Sec-Fetch-Site") == "cross-site" {
		return true
	}
	origin := r.Header.Get("Origin")
	u, err := url.Parse(origin)
	return origin != "" && (err != nil || u.Host == "")
}

// withApp gives a handler the app of the configuration that is running.
func withApp(handle func(*App, http.ResponseWriter, *http.Request) error) caddy.AdminHandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) error {
		app, err := runningApp()
		if err != nil {
			return err
		}
		return handle(app, w, r)
	}
}

// runningApp returns the app of the configuration that is running. The admin
// endpoint may belong to a later one, which failed to load.
func runningApp() (*App, error) {
	v, err := caddy.ActiveContext().AppIfConfigured(appID)
	if err != nil {
		return nil, apiError(http.StatusNotFound, "ingest_auth is not configured")
	}
	return v.(*App), nil
}

// apiError is an error in the form of Caddy's admin endpoint: {"error":"…"}.
func apiError(status int, message string) error {
	return caddy.APIError{HTTPStatus: status, Err: errors.New(message)}
}

func writeJSON(w http.ResponseWriter, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	answer.Write(w, http.StatusOK, "application/json", string(b))
	return nil
}

func adminJWKS(app *App, w http.ResponseWriter, _ *http.Request) error {
	writeJWKS(w, app.signer.value)
	return nil
}

func adminReady(app *App, w http.ResponseWriter, r *http.Request) error {
	writeReadiness(app, w, r)
	return nil
}

func adminLive(w http.ResponseWriter, _ *http.Request) error {
	live.write(w)
	return nil
}

// rotation is the answer to a rotation.
type rotation struct {
	KeyID     string    `json:"kid"`
	SignsFrom time.Time `json:"signs_from"`
}

// adminRotate publishes the next signing key now, unless one is already waiting. The key
// signs when verifiers have had time to fetch it.
func adminRotate(app *App, w http.ResponseWriter, r *http.Request) error {
	if app.Sign.Algorithm == "HS256" {
		return apiError(http.StatusConflict, "the gate cannot rotate the secret of HS256: change it in the configuration and reload")
	}
	if err := app.signer.value.Rotate(r.Context()); err != nil {
		return apiError(http.StatusInternalServerError, keyNames.Text(err.Error()))
	}
	s := app.signer.value.Status(time.Now())
	return writeJSON(w, rotation{s.NextKeyID, s.NextAt})
}

func adminRecent(app *App, w http.ResponseWriter, _ *http.Request) error {
	if app.watch.recent == nil {
		return apiError(http.StatusNotFound, "recent events are not kept; write `recent_events on` in the global option ingest_auth")
	}
	return writeJSON(w, struct {
		Events []flow.Event `json:"events"`
	}{app.watch.recent.value.List()})
}

// Interface guard
var _ caddy.AdminRouter = (*Admin)(nil)
