//go:build !unix

package file

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

// lockFile makes the lock file at path, and waits while another process has one. A
// process that crashes leaves it behind.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	for {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			return func() error { return errors.Join(f.Close(), os.Remove(path)) }, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
		if err := background.Sleep(ctx, 20*time.Millisecond); err != nil {
			return nil, err
		}
	}
}
