// Command caddy is Caddy with the gate and a source of keys in SQLite: what
//
//	xcaddy build --with github.com/ingestauth/caddy-ingest-auth --with example.test/sqlitekeys
//
// builds from released modules.
package main

import (
	_ "example.test/sqlitekeys"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
)

func main() { caddycmd.Main() }
