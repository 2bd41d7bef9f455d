package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// gateway is a cache that follows the feed, as in a gateway of its own.
type gateway struct {
	vault *Source
	cache *cache.Cache
	logs  *observer.ObservedLogs
}

func startGateway(t *testing.T, s *vaulttest.Server, poll time.Duration) *gateway {
	t.Helper()
	v, logs := openVault(t, rootOptions(s))
	c := newTestCache(t, v, cache.Options{Reads: 10_000, Timeout: 5 * time.Second})
	watch(t, v, c, poll)
	return &gateway{v, c, logs}
}

// watch makes a cache follow the feed until the test ends.
func watch(t *testing.T, v *Source, c *cache.Cache, every time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() { v.watch(ctx, c, every) })
	t.Cleanup(func() {
		cancel()
		done.Wait()
	})
}

func (g *gateway) account(t *testing.T, d keysync.Digest) string {
	t.Helper()
	rec, _, err := g.cache.Get(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	return rec.Account
}

// catchUp waits until the gateway has done all that the feed has told so far: a look that
// begins after that is its second from now at the latest, and dealt with before the third.
func (g *gateway) catchUp(t *testing.T) {
	t.Helper()
	for range 3 {
		last := g.vault.changesRead()
		await.That(t, "another look at the feed", func() bool { return g.vault.changesRead() != last })
	}
}

func (g *gateway) logged(snippet string) int {
	return g.logs.FilterMessageSnippet(snippet).Len()
}

func (g *gateway) awaitLog(t *testing.T, snippet string, n int) {
	t.Helper()
	await.That(t, "log: "+snippet, func() bool { return g.logged(snippet) == n })
}

// behindTheFeed changes the account of a record as a tool does that knows
// nothing of the feed.
func behindTheFeed(t *testing.T, s *vaulttest.Server, v *Source, i int, account string) {
	t.Helper()
	putByHand(t, s, v, sourcetest.Digest(i), map[string]any{"key_id": fmt.Sprintf("key_%d", i), "account": account})
}

// feedTest is a gateway that follows a feed with two keys.
type feedTest struct {
	*gateway
	server *vaulttest.Server
	writer *Source
	path   string // of the feed, below the mount
}

func startFeedTest(t *testing.T) *feedTest {
	t.Helper()
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	f := &feedTest{
		gateway: startGateway(t, s, 10*time.Millisecond),
		server:  s,
		writer:  writer,
		path:    strings.TrimPrefix(writer.dataPath(changesPath), "secret/data/"),
	}
	f.awaitLog(t, "no change feed exists", 1)
	sourcetest.MustCreate(t, writer, sourcetest.Entry(1), sourcetest.Entry(2))
	f.awaitLog(t, "following the change feed", 1)
	if got := f.account(t, sourcetest.Digest(1)); got != "acme" {
		t.Fatal(got)
	}
	return f
}

// put replaces the document of the feed.
func (f *feedTest) put(t *testing.T, data map[string]any) error {
	_, err := f.server.Client().KVv2("secret").Put(t.Context(), f.path, data)
	return err
}

// append announces a change of a key that nobody asks for.
func (f *feedTest) append(t *testing.T, n int) error {
	digests := make([]keysync.Digest, n)
	return f.writer.announce(t.Context(), digests)
}

// update changes a record and announces it.
func (f *feedTest) update(t *testing.T, i int, account string) {
	t.Helper()
	_, err := f.writer.Update(t.Context(), sourcetest.Digest(i), func(r *keysync.Record) error { r.Account = account; return nil })
	if err != nil {
		t.Fatal(err)
	}
}

func (f *feedTest) seen(t *testing.T, what string, i int, account string) {
	t.Helper()
	await.That(t, what, func() bool { return f.account(t, sourcetest.Digest(i)) == account })
}

func TestFeedTellsWhatHasChanged(t *testing.T) {
	t.Parallel()
	f := startFeedTest(t)
	f.update(t, 1, "one")
	f.seen(t, "an update is seen", 1, "one")

	if _, out, _ := f.cache.Get(t.Context(), sourcetest.Digest(3)); out != keysync.OutcomeUnknown {
		t.Fatal(out)
	}
	sourcetest.MustCreate(t, f.writer, sourcetest.Entry(3))
	await.That(t, "a key that was unknown a moment ago is known", func() bool {
		_, _, err := f.cache.Get(t.Context(), sourcetest.Digest(3))
		return err == nil
	})
}

// feedFailures are the ways in which a feed can fail to tell, one after the
// other, and what has then been logged how often, if that is certain.
var feedFailures = []struct {
	name string
	fail func(t *testing.T, f *feedTest) error
	log  string
	n    int
}{
	{"gap", func(t *testing.T, f *feedTest) error { return f.append(t, 1001) }, "following the change feed", 1},
	{"damaged", func(t *testing.T, f *feedTest) error {
		return f.put(t, map[string]any{"last": "topsecret"})
	}, "change feed is damaged", 1},
	{"damaged in another way", func(t *testing.T, f *feedTest) error { return f.put(t, map[string]any{}) }, "change feed is damaged", 1},
	{"repaired by a writer", func(t *testing.T, f *feedTest) error { return f.append(t, 1) }, "following the change feed", 2},
	{"deleted", func(t *testing.T, f *feedTest) error {
		return f.server.Client().KVv2("secret").Delete(t.Context(), f.path)
	}, "no change feed exists", 2},
	{"begun again", func(t *testing.T, f *feedTest) error { return f.append(t, 1) }, "following the change feed", 3},
	{"gone for good and begun again", func(t *testing.T, f *feedTest) error {
		if err := f.server.Client().KVv2("secret").DeleteMetadata(t.Context(), f.path); err != nil {
			return err
		}
		return f.append(t, 1)
	}, "", 0},
	{"numbers gone back", func(t *testing.T, f *feedTest) error {
		return f.writer.edit(t.Context(), f.writer.dataPath(changesPath), func(old json.RawMessage) (json.RawMessage, error) {
			c, err := parseChanges(old)
			if err != nil {
				return nil, err
			}
			return json.Marshal(changes{ID: c.ID, Last: c.Last - 1, Digests: []string{}})
		})
	}, "", 0},
}

// What a feed fails to tell is read all the same.
func TestFeedFailsToTell(t *testing.T) {
	t.Parallel()
	f := startFeedTest(t)
	for i, tt := range feedFailures {
		account := fmt.Sprintf("hidden %d", i)
		f.account(t, sourcetest.Digest(2))
		behindTheFeed(t, f.server, f.writer, 2, account)
		time.Sleep(30 * time.Millisecond) // a few looks at a feed that says nothing
		if got := f.account(t, sourcetest.Digest(2)); got == account {
			t.Fatalf("%s: the change was seen too early", tt.name)
		}
		if err := tt.fail(t, f); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		f.seen(t, tt.name, 2, account)
		if tt.log != "" {
			f.awaitLog(t, tt.log, tt.n)
			continue
		}
		f.update(t, 1, account)
		f.seen(t, "the feed is followed again", 1, account)
		f.catchUp(t)
	}
	noSecrets(t, f.logs, "topsecret")
}

// Damage is dealt with once, not at every look.
func TestFeedDamagedOnce(t *testing.T) {
	t.Parallel()
	f := startFeedTest(t)
	if err := f.put(t, map[string]any{"x": 1}); err != nil {
		t.Fatal(err)
	}
	f.awaitLog(t, "change feed is damaged", 1)
	f.account(t, sourcetest.Digest(2))
	reads := f.cache.Stats().Reads
	for range 10 {
		time.Sleep(10 * time.Millisecond)
		f.account(t, sourcetest.Digest(2))
	}
	if n := f.cache.Stats().Reads; n != reads {
		t.Errorf("%d reads of a record while the feed is damaged", n-reads)
	}
	if n := f.logged("change feed is damaged"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// What was read before the feed was first seen may have changed in between.
func TestFeedDoubtsWhatIsOlder(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, writer, sourcetest.Entry(1))
	v, logs := openVault(t, rootOptions(s))
	c := newTestCache(t, v, cache.Options{})
	sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "key_1")
	if _, err := writer.Update(t.Context(), sourcetest.Digest(1), func(r *keysync.Record) error { r.Account = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	watch(t, v, c, feedPoll)
	await.That(t, "the feed is followed", func() bool { return logs.FilterMessage("following the change feed").Len() == 1 })
	sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "key_1")
	if rec, err := c.Lookup(t.Context(), sourcetest.Digest(1)); err != nil || rec.Account != "new" {
		t.Errorf("record %+v, %v", rec, err)
	}
}

// A gateway that starts faster than Vault answers has no reason to complain.
func TestFeedBeforeTheLogin(t *testing.T) {
	t.Parallel()
	v, logs := newVault(t, Options{Address: "http://127.0.0.1:1", Auth: Auth{Token: "t"}})
	f := &feed{vault: v, log: v.log}
	for range 3 {
		f.poll(t.Context())
	}
	if n := logs.FilterMessageSnippet("feed").Len(); n != 0 {
		t.Errorf("logged %v", logs.All())
	}
}

// What changes while Vault cannot be reached is named when it can.
func TestFeedAfterAnOutage(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartOnDisk(t)
	writer, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, writer, sourcetest.Entry(1), sourcetest.Entry(2))
	g := startGateway(t, s, 10*time.Millisecond)
	g.awaitLog(t, "following the change feed", 1)
	g.account(t, sourcetest.Digest(1))
	g.account(t, sourcetest.Digest(2))
	reads := g.cache.Stats().Reads
	s.Kill()
	g.awaitLog(t, "change feed cannot be read", 1)
	s.Restart()
	if _, err := writer.Update(t.Context(), sourcetest.Digest(1), func(r *keysync.Record) error { r.Account = "new"; return nil }); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the change is seen", func() bool { return g.account(t, sourcetest.Digest(1)) == "new" })
	g.awaitLog(t, "following the change feed", 2)
	if n := g.cache.Stats().Reads - reads; n != 1 {
		t.Errorf("%d reads after the outage, want 1: only one key has changed", n)
	}
}

// Three gateways under load: a revoked key is refused by all of them within two
// seconds, and by none accepted again.
func TestRevocationDrill(t *testing.T) {
	const revocations = 20
	keys := drill.Size(200, 1000) // INGEST_AUTH_DRILL_KEYS=10000 takes two minutes
	if n, err := strconv.Atoi(os.Getenv("INGEST_AUTH_DRILL_KEYS")); err == nil {
		keys = n
	}
	const limit = 5 * time.Second // two on a machine that has nothing else to do
	s := startVault(t)
	writer, _ := openVault(t, rootOptions(s))
	entries := make([]keysync.Entry, keys)
	for i := range entries {
		entries[i] = sourcetest.Entry(i)
	}
	sourcetest.MustCreate(t, writer, entries...)
	var gateways []*gateway
	for range 3 {
		g := startGateway(t, s, feedPoll)
		g.awaitLog(t, "following the change feed", 1)
		for i := range keys {
			g.account(t, sourcetest.Digest(i))
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
					if _, _, err := g.cache.Get(t.Context(), sourcetest.Digest(i%keys)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	took := make([]time.Duration, revocations)
	for r := range revocations {
		drill.Go(func() {
			time.Sleep(time.Duration(r) * 100 * time.Millisecond)
			took[r] = revokeAndWatch(t, writer, gateways, sourcetest.Digest(r*keys/revocations), limit)
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
func revokeAndWatch(t *testing.T, writer *Source, gateways []*gateway, d keysync.Digest, limit time.Duration) time.Duration {
	_, err := writer.Update(t.Context(), d, func(r *keysync.Record) error {
		r.RevokedAt = keysync.MomentOf(time.Now())
		return nil
	})
	if err != nil {
		t.Error(err)
		return 0
	}
	began := time.Now()
	accepts := func(g *gateway) bool {
		rec, _, err := g.cache.Get(t.Context(), d)
		if err != nil && !errors.Is(err, keysync.ErrUnavailable) {
			t.Error(err)
		}
		return err == nil && rec.State(time.Now()) == keysync.StateActive
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
