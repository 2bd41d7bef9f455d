package caddymodule_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

const vaultSite = `{
	auto_https off
	ingest_auth {
		keys vault {
			address {{vault}}
			timeout 300ms
			auth    token {env.TEST_VAULT_TOKEN}
		}
		cache {
			fresh    2s
			unknown  1s
			outage   1h
			snapshot 1h
		}
	}
	log {
		output file {{dir}}/caddy.log
		format redact_keys
	}
}
:{{gate}} {
	log
	ingest_auth
	respond {http.ingest_auth.key_id}
}
`

// vaultGate runs a gate in front of a real Vault, and a store to change its keys.
func vaultGate(t *testing.T) (*gatetest.Gate, *vaulttest.Server, keysync.Store) {
	t.Helper()
	server := vaulttest.StartOnDisk(t)
	t.Setenv("TEST_VAULT_TOKEN", server.Root)
	return gatetest.New(t, gatetest.Vars{"vault": server.URL()}), server, adminStore(t, server)
}

// adminStore changes the keys in a Vault.
func adminStore(t *testing.T, server *vaulttest.Server) keysync.Store {
	t.Helper()
	store, err := vault.New(vault.Options{
		Address: server.URL(), Timeout: 5 * time.Second,
		Auth: vault.Auth{Method: vault.Token, Token: vault.Secret(server.Root)},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := store.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store
}

func ask(t *testing.T, g *gatetest.Gate, key string) gatetest.Response {
	t.Helper()
	return g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {key}}})
}

func create(t *testing.T, store keysync.Store, key, id string) keysync.Digest {
	t.Helper()
	d := keysync.DigestOf([]byte(key))
	if _, err := store.Create(t.Context(), keysync.Entry{Digest: d, Record: &keysync.Record{KeyID: id, Account: "acme", Mode: keysync.ModeLive}}); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestVault(t *testing.T) {
	g, server, store := vaultGate(t)
	digestA := create(t, store, keyA, "key_a")
	g.Run(t, vaultSite)
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK })
	if resp := ask(t, g, keyA); resp.Body != "key_a" {
		t.Errorf("known key: %d %s", resp.Status, resp.Body)
	}
	if resp := ask(t, g, keyB); resp.Status != http.StatusUnauthorized {
		t.Errorf("unknown key: %d %s", resp.Status, resp.Body)
	}

	create(t, store, keyB, "key_b")
	await.That(t, "a new key to be seen", func() bool { return ask(t, g, keyB).Status == http.StatusOK })

	if _, err := store.Update(t.Context(), digestA, func(r *keysync.Record) error { r.RevokedAt = keysync.MomentOf(time.Now()); return nil }); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	await.That(t, "a revocation to be seen", func() bool { return ask(t, g, keyA).Status == http.StatusUnauthorized })
	if d := time.Since(revoked); d > 5*time.Second { // 2 s on a machine that has time
		t.Errorf("a revoked key was served for %s", d)
	}

	server.Kill()
	if resp := ask(t, g, keyB); resp.Status != http.StatusOK {
		t.Errorf("cached key in an outage: %d %s", resp.Status, resp.Body)
	}
	resp := ask(t, g, "a-key-that-was-never-asked-for")
	if resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(resp.Body, `"unavailable"`) {
		t.Errorf("unknown key in an outage: %d %s", resp.Status, resp.Body)
	}

	// Another gate starts in the outage: what the snapshot holds is served.
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := g.Load(vaultSite); err != nil {
		t.Fatalf("starting while Vault is down: %v", err)
	}
	if resp := ask(t, g, keyB); resp.Status != http.StatusOK || resp.Body != "key_b" {
		t.Errorf("key of the snapshot: %d %s", resp.Status, resp.Body)
	}
	if resp := ask(t, g, "another-key-never-asked-for"); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("key that is not in the snapshot: %d %s", resp.Status, resp.Body)
	}
	strange := http.Header{"X-Api-Key": {keyB}, "Authorization": {"Bearer a-stranger-never-asked-for"}}
	if resp := g.Do(t, gatetest.Request{Target: "/", Header: strange}); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("a good key beside a value that cannot be judged: %d %s", resp.Status, resp.Body)
	}
	server.Restart()
	await.That(t, "the gate to find Vault again", func() bool { return ask(t, g, "another-key-never-asked-for").Status == http.StatusUnauthorized })
	checkNoSecrets(t, g, server.Root)
}

// TestVaultSettingsChangeInAnOutage: a reload with other settings, or one that
// fails, must not cost the keys that are known.
func TestVaultSettingsChangeInAnOutage(t *testing.T) {
	g, server, store := vaultGate(t)
	create(t, store, keyA, "key_a")
	site := strings.Replace(vaultSite, "snapshot 1h", "", 1)
	g.Run(t, site)
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK })
	server.Kill()
	broken := strings.Replace(site, "outage   1h", "outage   3h", 1) + ":1 {\nbind 192.0.2.1\n}\n" // an address of somebody else
	if err := g.Load(broken); err == nil {
		t.Fatal("a configuration that cannot listen was accepted")
	}
	for _, outage := range []string{"2h", "4h"} {
		reload(t, g, strings.Replace(site, "outage   1h", "outage   "+outage, 1))
		if resp := ask(t, g, keyA); resp.Status != http.StatusOK || resp.Body != "key_a" {
			t.Errorf("outage %s: %d %s", outage, resp.Status, resp.Body)
		}
	}
	server.Restart()
	create(t, store, keyB, "key_b")
	await.That(t, "the gate to find Vault again", func() bool { return ask(t, g, keyB).Status == http.StatusOK })
}

// checkNoSecrets greps what the gate wrote and shows for keys and the token.
func checkNoSecrets(t *testing.T, g *gatetest.Gate, token string) {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	run := leakRun{gate: g, up: new(gatetest.Upstream), spans: new(collector)}
	for where, text := range run.outputs(t) {
		for _, secret := range []string{keyA, keyB, token, "never-asked-for"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds a secret", where)
			}
		}
	}
	if len(log) == 0 {
		t.Error("nothing was logged")
	}
}

func TestEditedSnapshotIsNotUsed(t *testing.T) {
	g, server, store := vaultGate(t)
	create(t, store, keyA, "key_a")
	g.Run(t, vaultSite)
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK })
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	server.Kill()
	files, err := filepath.Glob(filepath.Join(g.Dir, "storage", "ingest_auth", "snapshot", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%d snapshots: %v", len(files), err)
	}
	snap, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], []byte(strings.Replace(string(snap), "key_a", "key_x", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Load(vaultSite); err != nil {
		t.Fatal(err)
	}
	if resp := ask(t, g, keyA); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("key of an edited snapshot: %d %s", resp.Status, resp.Body)
	}
}

// A mount that was replaced while the gate runs is an outage to clients: what it answers is
// true of another engine.
func TestVaultMountIsReplaced(t *testing.T) {
	g, server, store := vaultGate(t)
	create(t, store, keyA, "key_a")
	create(t, store, keyB, "key_b")
	g.Run(t, strings.Replace(vaultSite, "\trespond", "\tingest_auth_health /ready\n\trespond", 1))
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK })
	if err := server.Client().Sys().Unmount("secret"); err != nil {
		t.Fatal(err)
	}
	server.Write("sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	ready := func() gatetest.Response { return g.Do(t, gatetest.Request{Target: "/ready"}) }
	await.That(t, "readiness to tell", func() bool {
		if resp := ask(t, g, keyB); resp.Status != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" {
			t.Fatalf("a good key: %d %s", resp.Status, resp.Body)
		}
		if resp := ask(t, g, keyA); resp.Status != http.StatusOK {
			t.Fatalf("a good key in the cache: %d %s", resp.Status, resp.Body)
		}
		return strings.Contains(ready().Body, "known keys are served from the cache")
	})
	if resp := ready(); resp.Status != http.StatusOK {
		t.Errorf("readiness: %d %s", resp.Status, resp.Body)
	}
}

// A prefix with a slip of the pen has no keys: readiness and the log say so.
func TestVaultWrongPrefix(t *testing.T) {
	g, _, store := vaultGate(t)
	create(t, store, keyA, "key_a")
	site := strings.Replace(vaultSite, "timeout 300ms", "timeout 300ms\n\t\t\tprefix ingest/kyes", 1)
	g.Run(t, strings.Replace(site, "\trespond", "\tingest_auth_health /ready\n\trespond", 1))
	await.That(t, "readiness to tell", func() bool {
		resp := g.Do(t, gatetest.Request{Target: "/ready"})
		return resp.Status == http.StatusOK && resp.Body == `{"status":"ready","warnings":["no key has been found in Vault yet; check mount and prefix"]}`
	})
	await.That(t, "the log to tell", func() bool {
		log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		return err == nil && strings.Contains(string(log), "check mount and prefix")
	})
}
