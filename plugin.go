// Package ingestauth registers the ingest_auth modules with Caddy. It is what a
// build with xcaddy imports; the modules themselves are in caddymodule.
package ingestauth

import (
	_ "github.com/ingestauth/caddy-ingest-auth/caddymodule" // registers the modules
)
