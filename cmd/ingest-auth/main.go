// Command ingest-auth is Caddy with its standard modules and the ingest_auth
// gate.
package main

import (
	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
)

func main() {
	caddy.CustomBinaryName = "ingest-auth"
	caddycmd.Main()
}
