// Package caddymodule makes the gate a Caddy module: the app that gates share
// (ingest_auth), the HTTP handler (http.handlers.ingest_auth), the handler that
// serves the public signing keys (http.handlers.ingest_auth_jwks), the log
// encoder (caddy.logging.encoders.redact_keys) and the admin routes under
// /ingest_auth/.
package caddymodule

import _ "github.com/ingestauth/caddy-ingest-auth/caddymodule/forward" // the directive ingest_forward
