// Package ingestauth registers the ingest_auth modules with Caddy. A build with xcaddy
// imports it; the modules themselves are in caddymodule.
package ingestauth

import (
	_ "github.com/ingestauth/caddy-ingest-auth/caddymodule" // registers the modules
)
