//go:build unix

package file

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

func TestFileStoreKeepsOwnerAndMode(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, who alone can give files away")
	}
	path := filepath.Join(t.TempDir(), "keys.json")
	store := NewStore(path)
	sourcetest.MustCreate(t, store, sourcetest.Entry(1))
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, 65534, 65533); err != nil {
		t.Fatal(err)
	}
	sourcetest.MustCreate(t, store, sourcetest.Entry(2))
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != 65534 || st.Gid != 65533 || info.Mode().Perm() != 0o640 {
		t.Errorf("owner %d, group %d, mode %o", st.Uid, st.Gid, info.Mode().Perm())
	}
}
