//go:build unix

package file

import (
	"context"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/background"
)

// lockFile locks the lock file at path, and waits while another process has it locked.
// The lock ends with the process at the latest; the file stays.
func lockFile(ctx context.Context, path string) (unlock func() error, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // whoever runs the program names the file
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return f.Close, nil
		}
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = background.Sleep(ctx, 20*time.Millisecond)
		}
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
	}
}
