package caddymodule

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

// openSource opens the source of the records. The signing keys must be open: they
// authenticate snapshots.
func (a *App) openSource(ctx caddy.Context) error {
	if a.Keys.Source == "vault" {
		return a.openVault(ctx)
	}
	return a.openFile()
}

func (a *App) openFile() error {
	path, err := filepath.Abs(a.Keys.File)
	if err != nil {
		return fmt.Errorf("ingest_auth: locating key file %s: %w", a.Keys.File, err)
	}
	a.source, err = fromPool("keys file "+path, a.log.Named("keys"), func(log *zap.Logger) (keysync.Getter, func(), error) {
		f, err := file.Open(path, log)
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
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the user that runs the gate (uid %d) needs read access to key file %s and its folders, such as `chown`, or `chmod 640` and its group: %w", os.Geteuid(), path, err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("there is no key file %s: make one with `ingest-keys create --file PATH --account NAME`, create one holding {\"keys\":[]}, or name another with `keys file PATH` in the global ingest_auth option: %w", path, err)
}

func (a *App) openVault(ctx caddy.Context) error {
	options, err := vaultOptions(a.Keys.Vault)
	if err != nil {
		return fmt.Errorf("ingest_auth: %w", err)
	}
	storage, signer := ctx.Storage(), a.signer.value
	derive := func() ([][]byte, error) { return signer.Derive("ingest_auth cache snapshot", time.Now()) }
	a.source, err = fromPool(a.vaultPoolKey(options), a.log.Named("keys"), func(log *zap.Logger) (keysync.Getter, func(), error) {
		s, err := openVault(ctx, options, a.Cache, storage, derive, log)
		if err != nil {
			return nil, nil, err
		}
		return s, func() { s.close(log) }, nil
	})
	if err != nil {
		return fmt.Errorf("ingest_auth: keys vault: %w", err)
	}
	return nil
}

// vaultPoolKey names a Vault by its settings, with the secrets as a hash.
func (a *App) vaultPoolKey(o vault.Options) string {
	sum := sha256.Sum256([]byte(string(o.Auth.Token) + "\x00" + string(o.Auth.SecretID)))
	return fmt.Sprintf("keys vault %+v %+v %x %s", a.Keys.Vault, a.Cache, sum[:8], a.signer.key)
}
