package keyscli

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

// TestMain clears what Vault's client reads, so that tests mean the same
// everywhere.
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

// testNow is the time in tests that do not say another.
var testNow = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// ran is what a command did.
type ran struct {
	out, log string // standard output and error
	err      error
}

func (r ran) all() string { return r.out + r.log }

// shell runs commands in one place.
type shell struct {
	place []string // --file or --vault with its flags
	now   time.Time
	store keysync.Store
}

func (s shell) at(now time.Time) shell {
	s.now = now
	return s
}

// run runs a subcommand with the place added.
func (s shell) run(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	return execute(t.Context(), s.now, strings.NewReader(stdin), slices.Concat(args, s.place)...)
}

// must runs a subcommand that has to work.
func (s shell) must(t *testing.T, stdin string, args ...string) ran {
	t.Helper()
	r := s.run(t, stdin, args...)
	if r.err != nil {
		t.Fatalf("%v: %v", args, r.err)
	}
	return r
}

// newKey creates a key and returns it with its ID.
func (s shell) newKey(t *testing.T, id string, args ...string) string {
	t.Helper()
	r := s.must(t, "", append([]string{"create", "--id", id, "--account", "acme"}, args...)...)
	return strings.TrimSuffix(r.out, "\n")
}

func (s shell) records(t *testing.T) map[string]*keysync.Record {
	t.Helper()
	all := make(map[string]*keysync.Record)
	for e, err := range s.store.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all[e.Record.KeyID] = e.Record
	}
	return all
}

func execute(ctx context.Context, now time.Time, stdin io.Reader, args ...string) ran {
	var out, log bytes.Buffer
	cmd := &cobra.Command{Use: "ingest-keys"}
	setup(cmd, func() time.Time { return now }, nil)
	root := &cobra.Command{Use: "ingest-auth", SilenceUsage: true} // as Caddy's
	root.AddCommand(cmd)
	root.SetArgs(append([]string{"ingest-keys"}, args...))
	root.SetIn(stdin)
	root.SetOut(&out)
	root.SetErr(&log)
	err := root.ExecuteContext(ctx)
	return ran{out.String(), log.String(), err}
}

func fileShell(t *testing.T) shell {
	path := filepath.Join(t.TempDir(), "keys.json")
	store := file.NewStore(path)
	if _, err := store.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	return shell{place: []string{"--file", path}, now: testNow, store: store}
}

// vaultShell uses a new Vault with the policy that docs/ gives to administrators.
func vaultShell(t *testing.T) (shell, *vaulttest.Server) {
	srv := vaulttest.Start(t)
	rules, err := os.ReadFile(filepath.Join("..", "..", "docs", "vault-policy-admin.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	srv.Policy("admin", string(rules))
	t.Setenv("VAULT_ADDR", srv.URL())
	t.Setenv("VAULT_TOKEN", token(t, srv, "admin"))
	return shell{place: []string{"--vault"}, now: testNow, store: openVault(t, srv)}, srv
}

func token(t *testing.T, srv *vaulttest.Server, policy string) string {
	secret := srv.Write("auth/token/create", map[string]any{"policies": []string{policy}, "no_default_policy": policy == "none"})
	return secret.Auth.ClientToken
}

func openVault(t *testing.T, srv *vaulttest.Server) *vault.Source {
	v, err := vault.New(vault.Options{
		Address: srv.URL(), Timeout: readTimeout, Auth: vault.Auth{Token: vault.Secret(srv.Root)},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	if err := v.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v
}

// everywhere runs a test with an empty key file and with an empty Vault.
func everywhere(t *testing.T, test func(t *testing.T, s shell)) {
	t.Run("file", func(t *testing.T) { test(t, fileShell(t)) })
	t.Run("vault", func(t *testing.T) {
		s, _ := vaultShell(t)
		test(t, s)
	})
}

// wantText checks that text has all of the parts.
func wantText(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(text, p) {
			t.Errorf("%q is not in:\n%s", p, text)
		}
	}
}

// wantNone checks that text has none of the parts.
func wantNone(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if strings.Contains(text, p) {
			t.Errorf("%q is in:\n%s", p, text)
		}
	}
}
