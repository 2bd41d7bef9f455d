package vault

import (
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// TestMain clears the variables that Vault's client reads, so that tests mean
// the same everywhere.
func TestMain(m *testing.M) {
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "VAULT_") {
			if err := os.Unsetenv(name); err != nil {
				panic(err)
			}
		}
	}
	goleak.VerifyTestMain(m)
}

var snapshotKey = []byte("a signing key of enough bytes")

func newTestCache(t testing.TB, src keysync.Source, opts cache.Options) *cache.Cache {
	t.Helper()
	c, err := cache.New(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func takeSnapshot(t *testing.T, c *cache.Cache) []byte {
	t.Helper()
	snap, err := c.Snapshot(snapshotKey)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}
