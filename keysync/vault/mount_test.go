package vault

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

func mountKV(t *testing.T, s *vaulttest.Server, version string) {
	t.Helper()
	s.Write("sys/mounts/secret", map[string]any{"type": "kv", "options": map[string]string{"version": version}})
}

func unmount(t *testing.T, s *vaulttest.Server) {
	t.Helper()
	if err := s.Client().Sys().Unmount("secret"); err != nil {
		t.Fatal(err)
	}
}

// An engine that takes the place of the one with the records makes no key unknown, whatever it is.
var otherEngines = map[string]func(t *testing.T, s *vaulttest.Server){
	"none":              func(*testing.T, *vaulttest.Server) {},
	"version 1":         func(t *testing.T, s *vaulttest.Server) { mountKV(t, s, "1") },
	"another version 2": func(t *testing.T, s *vaulttest.Server) { mountKV(t, s, "2") },
	"version 1, upgraded": func(t *testing.T, s *vaulttest.Server) {
		mountKV(t, s, "1")
		s.Write("sys/mounts/secret/tune", map[string]any{"options": map[string]string{"version": "2"}})
	},
	"no KV": func(t *testing.T, s *vaulttest.Server) {
		s.Write("sys/mounts/secret", map[string]any{"type": "transit"})
	},
}

func TestVaultMountIsReplaced(t *testing.T) {
	t.Parallel()
	for name, replace := range otherEngines {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startVault(t)
			v, logs := openVault(t, rootOptions(s))
			sourcetest.MustCreate(t, v, sourcetest.Entry(1))
			if err := lookup(t, v, sourcetest.Digest(1)); err != nil {
				t.Fatal(err)
			}
			if err := lookup(t, v, sourcetest.Digest(2)); !errors.Is(err, keysync.ErrUnknown) {
				t.Fatal(err)
			}
			unmount(t, s)
			replace(t, s)
			began := time.Now()
			for n := 0; n < 100 || time.Since(began) < 20*lookGap; n++ {
				for i := range 3 {
					if err := lookup(t, v, sourcetest.Digest(i)); !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) {
						t.Fatalf("look-up %d: %v", n, err)
					}
				}
			}
			if v.Ready() == nil {
				t.Error("Vault counts as ready")
			}
			if n := logs.FilterMessage("cannot read from Vault, serving what the cache has").Len(); n != 1 {
				t.Errorf("logged %d times: %v", n, logs.All())
			}
			// Another engine is believed when the records are in it.
			if name != "none" {
				unmount(t, s)
			}
			mountKV(t, s, "2")
			await.That(t, "the new engine works", func() bool {
				_, err := v.Create(t.Context(), sourcetest.Entry(1))
				return err == nil
			})
			if err := lookup(t, v, sourcetest.Digest(1)); err != nil {
				t.Error(err)
			}
			await.That(t, "it is believed", func() bool {
				if err := lookup(t, v, sourcetest.Digest(1)); err != nil {
					t.Error(err)
				}
				return errors.Is(lookup(t, v, sourcetest.Digest(2)), keysync.ErrUnknown)
			})
			await.That(t, "Vault is ready", func() bool { return lookup(t, v, sourcetest.Digest(1)) == nil && v.Ready() == nil })
		})
	}
}

// The same while requests come all the time: at no moment is a good key unknown.
func TestVaultMountIsReplacedUnderLoad(t *testing.T) {
	s := startVault(t)
	v, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, v, sourcetest.Entry(1))
	c := newTestCache(t, v, cache.Options{Fresh: 10 * time.Millisecond, Outage: time.Hour, Reads: 100_000, Timeout: 5 * time.Second})
	sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "key_1")
	watch(t, v, c, 10*time.Millisecond)
	stop := make(chan struct{})
	var looked atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Millisecond):
				}
				looked.Add(1)
				if err := lookup(t, v, sourcetest.Digest(1)); errors.Is(err, keysync.ErrUnknown) {
					t.Error("a good key was unknown")
				}
				if _, _, err := c.Get(t.Context(), sourcetest.Digest(1)); err != nil {
					t.Errorf("a good key in the cache: %v", err)
				}
			}
		})
	}
	more := func() {
		from := looked.Load()
		await.That(t, "more look-ups", func() bool { return looked.Load() > from+200 })
	}
	for _, version := range []string{"1", "2", "1"} {
		more()
		unmount(t, s)
		more()
		mountKV(t, s, version)
	}
	more()
	close(stop)
	wg.Wait()
}

// Keys that nobody knows cost no look at the mount each.
func TestVaultMountIsLookedAtForMany(t *testing.T) {
	s := startVault(t)
	p := startProxy(t, s.URL())
	opts := rootOptions(s)
	opts.Address = p.URL
	v, _ := openVault(t, opts)
	var looks atomic.Int64
	p.set(func(_ http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/") {
			looks.Add(1)
		}
	})
	began := time.Now()
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for j := range 30 {
				if err := lookup(t, v, sourcetest.Digest(1000*i+j)); !errors.Is(err, keysync.ErrUnknown) {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n, most := looks.Load(), int64(time.Since(began)/lookGap)+2; n < 1 || n > most {
		t.Errorf("%d looks at the mount, want at most %d", n, most)
	}
}

// A wrong prefix looks like a place where there are no keys: that is said.
func TestVaultFindsNothing(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, writer, sourcetest.Entry(1))
	opts := rootOptions(s)
	opts.Prefix = "ingest/kyes"
	v, logs := openVault(t, opts)
	if v.FoundNothing() {
		t.Error("nothing has been asked for yet")
	}
	c := newTestCache(t, v, cache.Options{Unknown: time.Millisecond})
	watch(t, v, c, 10*time.Millisecond)
	await.That(t, "it is noticed", func() bool { return v.FoundNothing() && logs.FilterMessageSnippet("check mount and prefix").Len() == 1 })
	sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeUnknown, "")

	putByHand(t, s, v, sourcetest.Digest(1), map[string]any{"key_id": "key_1"})
	await.That(t, "a record is found", func() bool { _, err := c.Lookup(t.Context(), sourcetest.Digest(1)); return err == nil })
	if v.FoundNothing() {
		t.Error("a record has been found")
	}
	await.That(t, "the feed alone is missing", func() bool { return logs.FilterMessageSnippet("when records are no longer fresh").Len() == 1 })
}

// Where nothing has ever been found, another empty engine is as good as the one before.
func TestVaultMountIsReplacedWhileEmpty(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	v, _ := openVault(t, rootOptions(s))
	unmount(t, s)
	mountKV(t, s, "2")
	await.That(t, "the new engine is believed", func() bool { return errors.Is(lookup(t, v, sourcetest.Digest(1)), keysync.ErrUnknown) })
}

// After Close nothing is believed, and nobody waits.
func TestVaultClosed(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	v, _ := newVault(t, rootOptions(s))
	if err := v.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.looks.Close()
	if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) {
		t.Error(err)
	}
}
