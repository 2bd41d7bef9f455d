package caddymodule

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	"github.com/ingestauth/caddy-ingest-auth/internal/keyscli"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:      "ingest-keys",
		Usage:     "<command>",
		Short:     keyscli.Short,
		CobraFunc: keyscli.Setup,
	})
}
