package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// parseKeys reads `keys`, in one line for a file and as a block for a Vault.
func parseKeys(d *caddyfile.Dispenser, a *App) error {
	if a.Keys.Source != "" {
		return d.Err("keys: is there twice")
	}
	args := d.RemainingArgs()
	switch {
	case len(args) == 2 && args[0] == "file":
		a.Keys = config.Keys{Source: args[0], File: args[1]}
	case len(args) == 1 && args[0] == "vault":
		a.Keys.Source = args[0]
		return parseVault(d, a)
	default:
		return d.Err("keys: write `keys file PATH` or `keys vault { … }`")
	}
	return nil
}

func parseVault(d *caddyfile.Dispenser, a *App) error {
	v := &a.Keys.Vault
	return subdirectives{
		"address":     stringArg(&v.Address),
		"mount":       stringArg(&v.Mount),
		"prefix":      stringArg(&v.Prefix),
		"namespace":   stringArg(&v.Namespace),
		"ca_cert":     stringArg(&v.CACert),
		"client_cert": clientCertArgs(&v.ClientCert, &v.ClientKey),
		"server_name": stringArg(&v.ServerName),
		"timeout":     parsedArg(&v.Timeout, config.ParseDuration),
		"auth":        func(d *caddyfile.Dispenser) error { return parseAuth(d, v) },
		"auth_mount":  stringArg(&v.AuthMount),
	}.parse(d, "keys vault", a.Validate)
}

// parseAuth leaves it to the validation to say what is missing.
func parseAuth(d *caddyfile.Dispenser, v *config.Vault) error {
	args := d.RemainingArgs()
	if v.Auth != "" {
		return d.Err("auth: is there twice")
	}
	if len(args) == 0 {
		return d.Err("auth: write how to log in: token, token_file, approle or kubernetes")
	}
	v.Auth, args = args[0], args[1:]
	if v.Auth == "approle" && len(args) == 3 && args[2] == "wrapped" {
		v.Wrapped, args = true, args[:2]
	}
	if (v.Auth == "approle" || v.Auth == "kubernetes") && len(args) > 0 {
		v.Role, args = args[0], args[1:]
	}
	if len(args) > 0 {
		v.Credential, args = args[0], args[1:]
	}
	if len(args) > 0 {
		return d.Errf("auth %s: too many arguments", v.Auth)
	}
	return nil
}

func parseCache(d *caddyfile.Dispenser, a *App) error {
	if d.NextArg() {
		return d.Err("cache: takes a block, not an argument")
	}
	c := &a.Cache
	return subdirectives{
		"size":     parsedArg(&c.Size, parseCount),
		"fresh":    parsedArg(&c.Fresh, config.ParseDuration),
		"unknown":  parsedArg(&c.Unknown, config.ParseDuration),
		"outage":   parsedArg(&c.Outage, config.ParseDuration),
		"reads":    parsedArg(&c.Reads, parseCount),
		"snapshot": parsedArg(&c.Snapshot, config.ParseDuration),
	}.parse(d, "cache", a.Validate)
}
