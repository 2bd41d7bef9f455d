package caddymodule_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// coldStartEnv makes TestVaultColdStart use so many keys, a tenth of them per second, with the
// default settings: 10000 needs a machine that has little else to do.
const coldStartEnv = "INGEST_AUTH_COLD_START"

// coldStart is what a gate meets that has just started.
type coldStart struct {
	keys, perSecond int // good ones
	flood           int // random keys per second
	during          time.Duration
	settings        *strings.Replacer // of vaultSite
}

// A gate that starts in front of a healthy Vault refuses no good key because a read is
// missing: not with many more keys in use than the cap allows for, nor in a flood of random
// keys.
func TestVaultColdStart(t *testing.T) {
	scaled := strings.NewReplacer("timeout 300ms", "timeout 2s", "unknown  1s", "unknown 1s\nreads 20", "fresh    2s", "fresh 5m", "snapshot 1h", "")
	starts := map[string]coldStart{
		"keys in use": {keys: drill.Size(200, 600), perSecond: drill.Size(80, 200), during: drill.Size(2*time.Second, 4*time.Second), settings: scaled},
		"flood":       {keys: 60, perSecond: 30, flood: 100, during: drill.Size(2*time.Second, 4*time.Second), settings: scaled},
	}
	if n, err := strconv.Atoi(os.Getenv(coldStartEnv)); err == nil {
		defaults := strings.NewReplacer("timeout 300ms", "", "unknown  1s", "", "fresh    2s", "", "snapshot 1h", "", "outage   1h", "")
		starts = map[string]coldStart{
			"keys in use": {keys: n, perSecond: n / 10, during: 15 * time.Second, settings: defaults},
			"flood":       {keys: n / 100, perSecond: 33, flood: n / 10 * 3, during: 12 * time.Second, settings: defaults},
		}
	}
	for name, start := range starts {
		t.Run(name, func(t *testing.T) { start.run(t) })
	}
}

func (s coldStart) run(t *testing.T) {
	g, _, store := vaultGate(t)
	entries := make([]keysync.Entry, s.keys)
	for i := range entries {
		entries[i] = keysync.Entry{
			Digest: keysync.DigestOf([]byte(coldKey(i))),
			Record: &keysync.Record{KeyID: fmt.Sprintf("key_%d", i), Account: "acme", Mode: keysync.ModeLive},
		}
	}
	for len(entries) > 0 {
		n := min(1000, len(entries))
		if _, err := store.Create(t.Context(), entries[:n]...); err != nil {
			t.Fatal(err)
		}
		entries = entries[n:]
	}
	g.Run(t, s.settings.Replace(vaultSite))
	var flood sync.WaitGroup
	var random map[int]int
	if s.flood > 0 {
		flood.Go(func() {
			random = sendAll(g, s.flood, s.during, func() string { return "no-such-key-" + strconv.Itoa(rand.Int()) })
		})
	}
	good := sendAll(g, s.perSecond, s.during, func() string { return coldKey(rand.N(s.keys)) })
	flood.Wait()
	t.Logf("%d keys in use at %d/s for %v: %v; random keys at %d/s: %v", s.keys, s.perSecond, s.during, good, s.flood, random)
	if sent := int(s.during.Seconds()) * s.perSecond; good[http.StatusOK] != sent {
		t.Errorf("answers to %d requests with good keys: %v", sent, good)
	}
	if random[http.StatusOK] > 0 {
		t.Error("a random key was good")
	}
}

func coldKey(i int) string { return fmt.Sprintf("a-key-of-a-client-%06d", i) }

// sendAll sends so many requests per second, and returns how many got which status; 0 is none.
func sendAll(g *gatetest.Gate, perSecond int, during time.Duration, key func() string) map[int]int {
	transport := &http.Transport{MaxIdleConnsPerHost: 512}
	defer transport.CloseIdleConnections()
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := make(map[int]int)
	began := time.Now()
	for i := range int(during.Seconds()) * perSecond {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(perSecond))))
		k := key()
		wg.Go(func() {
			status := 0
			req, err := http.NewRequest(http.MethodGet, "http://"+g.Addr+"/", http.NoBody)
			if err == nil {
				req.Header.Set("X-Api-Key", k)
				if resp, err := transport.RoundTrip(req); err == nil {
					status = resp.StatusCode
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
			}
			mu.Lock()
			defer mu.Unlock()
			statuses[status]++
		})
	}
	wg.Wait()
	return statuses
}

// slowVault is in front of a Vault and answers slowly, or not until it is woken.
type slowVault struct {
	URL  string
	wake func()
}

func newSlowVault(t *testing.T, server *vaulttest.Server, delay time.Duration) *slowVault {
	t.Helper()
	to, err := url.Parse(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	awake := make(chan struct{})
	forward := httputil.NewSingleHostReverseProxy(to)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(delay):
		case <-awake:
		case <-r.Context().Done():
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return &slowVault{URL: srv.URL, wake: sync.OnceFunc(func() { close(awake) })}
}

// The listener opens after the login: the very first request is served.
func TestVaultFirstRequest(t *testing.T) {
	server := vaulttest.Start(t)
	t.Setenv("TEST_VAULT_TOKEN", server.Root)
	create(t, adminStore(t, server), keyA, "key_a")
	slow := newSlowVault(t, server, 100*time.Millisecond)
	g := gatetest.New(t, gatetest.Vars{"vault": slow.URL})
	site := strings.NewReplacer("snapshot 1h", "", "timeout 300ms", "timeout 5s").Replace(vaultSite)
	g.Run(t, site)
	for range 3 {
		if resp := ask(t, g, keyA); resp.Status != http.StatusOK {
			t.Errorf("first request: %d %s", resp.Status, resp.Body)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
		if err := g.Load(site); err != nil {
			t.Fatal(err)
		}
	}
}

// A Vault that does not answer holds a start up for a while, and does not prevent it.
func TestVaultHangsAtTheStart(t *testing.T) {
	server := vaulttest.Start(t)
	t.Setenv("TEST_VAULT_TOKEN", server.Root)
	create(t, adminStore(t, server), keyA, "key_a")
	slow := newSlowVault(t, server, time.Hour)
	defer slow.wake()
	g := gatetest.New(t, gatetest.Vars{"vault": slow.URL})
	g.Run(t, strings.Replace(vaultSite, "\trespond", "\tingest_auth_health /ready\n\trespond", 1))
	if resp := ask(t, g, keyA); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("a key before the login: %d %s", resp.Status, resp.Body)
	}
	if resp := g.Do(t, gatetest.Request{Target: "/ready"}); resp.Status != http.StatusServiceUnavailable {
		t.Errorf("readiness before the login: %d %s", resp.Status, resp.Body)
	}
	slow.wake()
	await.That(t, "the login", func() bool { return ask(t, g, keyA).Status == http.StatusOK })
}
