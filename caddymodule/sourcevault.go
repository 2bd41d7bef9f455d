package caddymodule

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

func init() {
	caddy.RegisterModule(new(VaultSource))
}

// VaultSource is a source of keys in HashiCorp Vault.
type VaultSource struct {
	// How to read the records from Vault.
	Vault config.Vault `json:"vault,omitzero"`

	options vault.Options
}

// CaddyModule returns the Caddy module information.
func (*VaultSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  sourceNamespace + ".vault",
		New: func() caddy.Module { return new(VaultSource) },
	}
}

// Provision resolves the secrets.
func (s *VaultSource) Provision(caddy.Context) (err error) {
	if err := s.Vault.Validate(); err != nil {
		return err
	}
	s.options, err = vaultOptions(s.Vault)
	return err
}

// UnmarshalCaddyfile reads `keys vault { … }`.
func (s *VaultSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	if d.NextArg() {
		return errKeysSyntax(d)
	}
	v := &s.Vault
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
	}.parse(d, "keys vault", v.Validate)
}

// parseAuth does not check for missing arguments; validation does.
func parseAuth(d *caddyfile.Dispenser, v *config.Vault) error {
	args := d.RemainingArgs()
	if v.Auth != "" {
		return d.Err("auth: is given twice")
	}
	if len(args) == 0 {
		return d.Err("auth: write the login method: token, token_file, approle or kubernetes")
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

// vaultOptions turns settings into options, with the secrets resolved.
func vaultOptions(v config.Vault) (vault.Options, error) {
	o := vault.Options{
		Address: v.Address, Mount: v.Mount, Prefix: v.Prefix, Namespace: v.Namespace,
		CACert: v.CACert, ClientCert: v.ClientCert, ClientKey: v.ClientKey, TLSServerName: v.ServerName,
		Timeout: time.Duration(v.Timeout),
		Auth:    vault.Auth{Method: v.Auth, Mount: v.AuthMount, Role: v.Role, Wrapped: v.Wrapped},
	}
	if !config.IsPlaceholder(v.Credential) {
		o.Auth.File = v.Credential
		return o, nil
	}
	secret, err := resolve("keys vault auth", v.Credential)
	if err != nil {
		return o, err
	}
	if secret = strings.TrimSpace(secret); v.Auth == vault.AppRole {
		o.Auth.SecretID = vault.Secret(secret)
	} else {
		o.Auth.Token = vault.Secret(secret)
	}
	return o, nil
}

// Settings implements keysync.Opener.
func (s *VaultSource) Settings() string {
	sum := sha256.Sum256([]byte(string(s.options.Auth.Token) + "\x00" + string(s.options.Auth.SecretID)))
	return fmt.Sprintf("%+v %x", s.Vault, sum[:8])
}

// loginWait is how long a start waits for Vault. If a listener opened before the login,
// it would turn away good keys. In an outage it opens without a login, for keys of a
// snapshot.
const loginWait = 3 * time.Second

// Open implements keysync.Opener.
func (s *VaultSource) Open(ctx context.Context, log *zap.Logger) (keysync.Source, error) {
	v, err := vault.New(s.options, log)
	if err != nil {
		return nil, fmt.Errorf("keys vault: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, loginWait)
	defer cancel()
	_ = v.Wait(ctx) // it logs what is wrong
	return v, nil
}

// storeTimeout is for one record: no client waits for it.
const storeTimeout = 10 * time.Second

// OpenStore implements keysync.StoreOpener.
func (s *VaultSource) OpenStore(ctx context.Context, log *zap.Logger) (keysync.Store, error) {
	options := s.options
	options.Timeout = storeTimeout
	v, err := vault.New(options, log)
	if err != nil {
		return nil, fmt.Errorf("keys vault: %w", err)
	}
	if err := v.Wait(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// Interface guards
var (
	_ caddy.Provisioner     = (*VaultSource)(nil)
	_ caddyfile.Unmarshaler = (*VaultSource)(nil)
	_ keysync.StoreOpener   = (*VaultSource)(nil)
)
