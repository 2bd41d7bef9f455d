package caddymodule

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const appID = "ingest_auth"

func init() {
	caddy.RegisterModule(new(App))
}

// App is what all gates of a configuration share: the source of the keys'
// records and the keys that sign assertions. Both outlive a configuration reload
// that does not change their settings.
type App struct {
	config.App

	identity *identityHeader
	source   *pooled[keysync.Source]
	signer   *pooled[*assertion.Signer]
	log      *zap.Logger
	ctx      caddy.Context
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  appID,
		New: func() caddy.Module { return new(App) },
	}
}

// Provision opens the source and the signing keys, or takes over the ones that
// the running configuration uses.
func (a *App) Provision(ctx caddy.Context) error {
	a.ctx, a.log = ctx, ctx.Logger()
	if err := a.App.Validate(); err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	a.App.SetDefaults()
	a.identity = newIdentityHeader(a.Sign.Header)
	keyNames.AddHeader(a.Sign.Header)
	if err := a.openSource(); err != nil {
		return err
	}
	return a.openSigner(ctx)
}

func (a *App) openSource() error {
	path, err := filepath.Abs(a.Keys.File)
	if err != nil {
		return fmt.Errorf("ingest_auth: locating key file %s: %w", a.Keys.File, err)
	}
	a.source, err = fromPool("keys file "+path, a.log.Named("keys"), func(log *zap.Logger) (keysync.Source, func(), error) {
		f, err := keysync.OpenFile(path, log)
		if err != nil {
			return nil, nil, err
		}
		return f, func() { _ = f.Close() }, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", missingKeyFile(path, err))
	}
	return nil
}

func missingKeyFile(path string, err error) error {
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("there is no key file %s: create one holding {\"keys\":[]}, or name another with `keys file PATH` in the global ingest_auth option: %w", path, err)
}

func (a *App) openSigner(ctx caddy.Context) error {
	secret, err := signingSecret(a.Sign)
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	storage := ctx.Storage()
	key := signerPoolKey(a.Sign, secret, storage)
	a.signer, err = fromPool(key, a.log.Named("sign"), func(log *zap.Logger) (*assertion.Signer, func(), error) {
		s, err := assertion.Open(ctx, storage, assertion.Options{
			Algorithm: assertion.Algorithm(a.Sign.Algorithm),
			Issuer:    a.Sign.Issuer,
			Audience:  a.Sign.Audience,
			TTL:       durationOf(a.Sign.TTL),
			Rotate:    durationOf(a.Sign.Rotate),
			Secret:    secret,
		}, log)
		if err != nil {
			return nil, nil, err
		}
		return s, s.Close, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: opening signing keys: %w", err)
	}
	return nil
}

// Start refuses to run when a log that HTTP requests reach would write keys.
func (a *App) Start() error {
	if a.LogCheck == "off" {
		return nil
	}
	return checkLogs(a.ctx)
}

// Stop does nothing: what the app holds is let go in Cleanup.
func (a *App) Stop() error { return nil }

// Cleanup lets go of what Provision took.
func (a *App) Cleanup() error {
	return errors.Join(a.source.release(), a.signer.release())
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
