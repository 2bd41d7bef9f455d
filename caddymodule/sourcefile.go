package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
)

func init() {
	caddy.RegisterModule(new(FileSource))
}

// FileSource is a source of keys in a JSON file.
type FileSource struct {
	// The path of the key file. Default: keys.json.
	File string `json:"file,omitempty"`

	path string // absolute
}

// CaddyModule returns the Caddy module information.
func (*FileSource) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  sourceNamespace + ".file",
		New: func() caddy.Module { return new(FileSource) },
	}
}

// Provision locates the file.
func (s *FileSource) Provision(caddy.Context) (err error) {
	if s.File == "" {
		s.File = "keys.json"
	}
	if s.path, err = filepath.Abs(s.File); err != nil {
		return fmt.Errorf("locating key file %s: %w", s.File, err)
	}
	return nil
}

// UnmarshalCaddyfile reads `keys file PATH`.
func (s *FileSource) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the name
	if !d.AllArgs(&s.File) || d.NextBlock(d.Nesting()) {
		return errKeysSyntax(d)
	}
	return nil
}

// Settings implements keysync.Opener.
func (s *FileSource) Settings() string { return s.path }

// Open implements keysync.Opener.
func (s *FileSource) Open(_ context.Context, log *zap.Logger) (keysync.Source, error) {
	f, err := file.Open(s.path, log)
	if err != nil {
		return nil, missingKeyFile(s.path, err)
	}
	return f, nil
}

// OpenStore implements keysync.StoreOpener.
func (s *FileSource) OpenStore(context.Context, *zap.Logger) (keysync.Store, error) {
	return file.NewStore(s.path), nil
}

func missingKeyFile(path string, err error) error {
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the user that runs the gate (uid %d) needs read access to key file %s and its folders; use `chown`, or `chmod 640` and the group: %w", os.Geteuid(), path, err)
	}
	if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return fmt.Errorf("key file %s does not exist: make it with `ingest-keys create --file PATH --account NAME`, create it with {\"keys\":[]} in it, or name another with `keys file PATH` in the global ingest_auth option: %w", path, err)
}

// Interface guards
var (
	_ caddy.Provisioner     = (*FileSource)(nil)
	_ caddyfile.Unmarshaler = (*FileSource)(nil)
	_ keysync.StoreOpener   = (*FileSource)(nil)
)
