// Package sqlitekeys is a source of keys in an SQLite database, for the Caddy module
// ingest_auth. It is an example of a source that is not part of the gate.
package sqlitekeys

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func init() {
	caddy.RegisterModule(new(Module))
}

// Module has the settings of the source:
//
//	"keys": {"source": "sqlite", "path": "keys.db"}
type Module struct {
	// The path of the database.
	Path string `json:"path"`
}

// CaddyModule returns the Caddy module information. The last part of the ID is the name of
// the source in the Caddyfile and in JSON.
func (*Module) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "ingest_auth.sources.sqlite",
		New: func() caddy.Module { return new(Module) },
	}
}

// UnmarshalCaddyfile reads `keys sqlite PATH`. It begins with the name of the source.
func (m *Module) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&m.Path) {
		return d.Err("keys: write `keys sqlite PATH`")
	}
	return nil
}

// Provision checks the settings and completes them.
func (m *Module) Provision(caddy.Context) (err error) {
	if m.Path == "" {
		return errors.New("keys sqlite: the path is missing; write `keys sqlite PATH`")
	}
	m.Path, err = filepath.Abs(m.Path)
	return err
}

// Settings implements keysync.Opener. The path is the only setting. If this source had a
// password, include a hash of it here.
func (m *Module) Settings() string { return m.Path }

// Open implements keysync.Opener: it opens the database for the gate, which only reads.
func (m *Module) Open(ctx context.Context, log *zap.Logger) (keysync.Source, error) {
	return openSource(ctx, m.Path, log)
}

// OpenStore implements keysync.StoreOpener: it opens the database for ingest-keys, and
// creates it if it does not exist.
func (m *Module) OpenStore(ctx context.Context, _ *zap.Logger) (keysync.Store, error) {
	return openStore(ctx, m.Path)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*Module)(nil)
	_ caddyfile.Unmarshaler = (*Module)(nil)
	_ keysync.StoreOpener   = (*Module)(nil)
)
