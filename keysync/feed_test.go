package keysync

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
)

// gateway is a cache that follows the feed, as in a gateway of its own.
type gateway struct {
	vault *Vault
	cache *Cache
	logs  *observer.ObservedLogs
}

func startGateway(t *testing.T, s *vaulttest.Server, poll time.Duration) *gateway {
	t.Helper()
	v, logs := openVault(t, rootOptions(s))
	c := newTestCache(t, v, CacheOptions{Reads: 10_000, Timeout: 5 * time.Second})
	feed := followChanges(v, c, v.log, poll)
	t.Cleanup(func() { _ = feed.Close() })
	return &gateway{v, c, logs}
}

func (g *gateway) account(t *testing.T, d Digest) string {
	t.Helper()
	rec, _, err := g.cache.Get(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Account
}

func (g *gateway) logged(snippet string) int {
	return g.logs.FilterMessageSnippet(snippet).Len()
}

func (g *gateway) awaitLog(t *testing.T, snippet string, n int) {
	t.Helper()
	eventually(t, "log: "+snippet, func() bool { return g.logged(snippet) == n })
}

// behindTheFeed changes the account of a record as a tool does that knows
// nothing of the feed.
func behindTheFeed(t *testing.T, s *vaulttest.Server, v *Vault, i int, account string) {
	t.Helper()
	path := strings.TrimPrefix(v.recordPath(testDigest(i)), "secret/data/")
	if _, err := s.Client().KVv2("secret").Put(t.Context(), path, map[string]any{"key_id": fmt.Sprintf("key_%d", i), "account": account}); err != nil {
		t.Fatal(err)
	}
}

func TestFeed(t *testing.T) {
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	feedPath := strings.TrimPrefix(writer.dataPath(changesPath), "secret/data/")
	kv := s.Client().KVv2("secret")
	ctx := t.Context()

	g := startGateway(t, s, 10*time.Millisecond)
	g.awaitLog(t, "there is no change feed", 1)
	mustCreate(t, writer, testEntry(1), testEntry(2))
	g.awaitLog(t, "following the change feed", 1)
	if got := g.account(t, testDigest(1)); got != "acme" {
		t.Fatal(got)
	}
	setAccount := func(account string) func(*Record) error {
		return func(r *Record) error { r.Account = account; return nil }
	}
	seen := func(what string, i int, account string) {
		t.Helper()
		eventually(t, what, func() bool { return g.account(t, testDigest(i)) == account })
	}

	// A change that is announced.
	if _, err := writer.Update(ctx, testDigest(1), setAccount("one")); err != nil {
		t.Fatal(err)
	}
	seen("an update is seen", 1, "one")

	// A key that was unknown a moment ago.
	if _, out, _ := g.cache.Get(ctx, testDigest(3)); out != OutcomeUnknown {
		t.Fatal(out)
	}
	mustCreate(t, writer, testEntry(3))
	eventually(t, "a new key is known", func() bool { _, _, err := g.cache.Get(ctx, testDigest(3)); return err == nil })

	// Each way in which the feed can fail to tell: what it did not tell is read
	// all the same.
	doubts := []struct {
		name string
		fail func() error
		log  string
		n    int
	}{
		{"gap", func() error { return writer.announce(ctx, make([]Digest, 1001)) }, "following the change feed", 1},
		{"damaged", func() error {
			_, err := kv.Put(ctx, feedPath, map[string]any{"last": "topsecret"})
			return err
		}, "change feed is damaged", 1},
		{"damaged in another way", func() error {
			_, err := kv.Put(ctx, feedPath, map[string]any{})
			return err
		}, "change feed is damaged", 1},
		{"repaired by a writer", func() error { return writer.announce(ctx, []Digest{testDigest(9)}) }, "following the change feed", 2},
		{"deleted", func() error { return kv.Delete(ctx, feedPath) }, "there is no change feed", 2},
		{"begun again", func() error { return writer.announce(ctx, []Digest{testDigest(9)}) }, "following the change feed", 3},
		{"gone for good and begun again", func() error {
			if err := kv.DeleteMetadata(ctx, feedPath); err != nil {
				return err
			}
			return writer.announce(ctx, []Digest{testDigest(9)})
		}, "following the change feed", 3},
		{"numbers gone back", func() error {
			return writer.edit(ctx, writer.dataPath(changesPath), func(old json.RawMessage) (json.RawMessage, error) {
				c, err := parseChanges(old)
				if err != nil {
					return nil, err
				}
				return json.Marshal(changes{ID: c.ID, Last: c.Last - 1, Digests: []string{}})
			})
		}, "following the change feed", 3},
	}
	for i, tt := range doubts {
		account := fmt.Sprintf("hidden %d", i)
		g.account(t, testDigest(2))
		behindTheFeed(t, s, writer, 2, account)
		time.Sleep(30 * time.Millisecond) // a few looks at a feed that says nothing
		if got := g.account(t, testDigest(2)); got == account {
			t.Fatalf("%s: the change was seen too early", tt.name)
		}
		if err := tt.fail(); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		seen(tt.name, 2, account)
		g.awaitLog(t, tt.log, tt.n)
	}
	for _, e := range g.logs.All() {
		if strings.Contains(fmt.Sprint(e.ContextMap()), "topsecret") {
			t.Errorf("the log quotes the document: %v", e)
		}
	}

	// Damage is dealt with once, not at every look.
	if _, err := kv.Put(ctx, feedPath, map[string]any{"x": 1}); err != nil {
		t.Fatal(err)
	}
	g.awaitLog(t, "change feed is damaged", 2)
	g.account(t, testDigest(2))
	reads := g.cache.Stats().Reads
	for range 10 {
		time.Sleep(10 * time.Millisecond)
		g.account(t, testDigest(2))
	}
	if n := g.cache.Stats().Reads; n != reads {
		t.Errorf("%d reads of a record while the feed is damaged", n-reads)
	}
}

// What was read before the feed was first seen may have changed in between.
func TestFeedDoubtsWhatIsOlder(t *testing.T) {
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	mustCreate(t, writer, testEntry(1))
	v, logs := openVault(t, rootOptions(s))
	c := newTestCache(t, v, CacheOptions{})
	expect(t, c, testDigest(1), OutcomeMiss, "key_1")
	if _, err := writer.Update(t.Context(), testDigest(1), func(r *Record) error { r.Account = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	feed := FollowChanges(v, c, v.log)
	defer feed.Close()
	eventually(t, "the feed is followed", func() bool { return logs.FilterMessage("following the change feed").Len() == 1 })
	expect(t, c, testDigest(1), OutcomeMiss, "key_1")
	if rec, err := c.Lookup(t.Context(), testDigest(1)); err != nil || rec.Account != "new" {
		t.Errorf("record %+v, %v", rec, err)
	}
}

// What changes while Vault cannot be reached is named when it can.
func TestFeedAfterAnOutage(t *testing.T) {
	s := vaulttest.StartOnDisk(t)
	writer, _ := openVault(t, rootOptions(s))
	mustCreate(t, writer, testEntry(1), testEntry(2))
	g := startGateway(t, s, 10*time.Millisecond)
	g.awaitLog(t, "following the change feed", 1)
	g.account(t, testDigest(1))
	g.account(t, testDigest(2))
	reads := g.cache.Stats().Reads
	s.Kill()
	g.awaitLog(t, "change feed cannot be read", 1)
	s.Restart()
	if _, err := writer.Update(t.Context(), testDigest(1), func(r *Record) error { r.Account = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the change is seen", func() bool { return g.account(t, testDigest(1)) == "new" })
	g.awaitLog(t, "following the change feed", 2)
	if n := g.cache.Stats().Reads - reads; n != 1 {
		t.Errorf("%d reads after the outage, want 1: only one key has changed", n)
	}
}

// Three gateways under load: a revoked key is refused by all of them within two
// seconds, and by none accepted again.
func TestRevocationDrill(t *testing.T) {
	const keys, revocations, limit = 1000, 20, 2 * time.Second
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	entries := make([]Entry, keys)
	for i := range entries {
		entries[i] = testEntry(i)
	}
	mustCreate(t, writer, entries...)
	var gateways []*gateway
	for range 3 {
		g := startGateway(t, s, feedPoll)
		g.awaitLog(t, "following the change feed", 1)
		for i := range keys {
			g.account(t, testDigest(i))
		}
		gateways = append(gateways, g)
	}

	stop := make(chan struct{})
	var load, drill sync.WaitGroup
	for _, g := range gateways {
		load.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-time.After(2 * time.Millisecond):
					g.account(t, testDigest(i%keys))
				}
			}
		})
	}
	took := make([]time.Duration, revocations)
	for r := range revocations {
		drill.Go(func() {
			time.Sleep(time.Duration(r) * 100 * time.Millisecond)
			took[r] = revokeAndWatch(t, writer, gateways, testDigest(r*37), limit)
		})
	}
	drill.Wait()
	close(stop)
	load.Wait()
	worst, sum := time.Duration(0), time.Duration(0)
	for _, d := range took {
		worst, sum = max(worst, d), sum+d
	}
	t.Logf("%d revocations among %d keys on %d gateways: refused by all after %v on average, %v at worst",
		revocations, keys, len(gateways), (sum / revocations).Round(time.Millisecond), worst.Round(time.Millisecond))
	if worst > limit {
		t.Errorf("a revoked key was accepted for %v", worst)
	}
}

// revokeAndWatch returns how long it took after the revocation was written until
// all gateways refused the key.
func revokeAndWatch(t *testing.T, writer *Vault, gateways []*gateway, d Digest, limit time.Duration) time.Duration {
	_, err := writer.Update(t.Context(), d, func(r *Record) error {
		r.RevokedAt = time.Now().UTC()
		return nil
	})
	if err != nil {
		t.Error(err)
		return 0
	}
	began := time.Now()
	accepts := func(g *gateway) bool {
		rec, _, err := g.cache.Get(t.Context(), d)
		if err != nil && !errors.Is(err, ErrUnavailable) {
			t.Error(err)
		}
		return err == nil && rec.State(time.Now()) == StateActive
	}
	refused := make([]bool, len(gateways))
	for n := 0; n < len(gateways); {
		if time.Since(began) > 2*limit {
			t.Error("a revoked key is accepted and accepted")
			break
		}
		time.Sleep(10 * time.Millisecond)
		for i, g := range gateways {
			switch ok := accepts(g); {
			case ok && refused[i]:
				t.Error("a revoked key was accepted again")
			case !ok && !refused[i]:
				refused[i] = true
				n++
			}
		}
	}
	return time.Since(began)
}
