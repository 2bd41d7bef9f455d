// Package guestsource tests sources that others have made, each with other of the optional
// interfaces. It is a test binary of its own because a module cannot be taken away again.
package guestsource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	keyA = "guest-source-key-a-0123456789"
	keyB = "guest-source-key-b-0123456789"
)

func init() {
	caddy.RegisterModule(new(bare))
	caddy.RegisterModule(new(able))
	caddy.RegisterModule(new(memory))
	caddy.RegisterModule(new(stranger))
}

// place is where records are: all sources of one name share it.
type place struct {
	name string

	mu      sync.Mutex
	records map[keysync.Digest]*keysync.Record
	problem error
	caches  map[keysync.Invalidator]struct{}

	lookups, opened, open atomic.Int64
}

var places sync.Map // of *place, by name

func placeOf(name string) *place {
	p, _ := places.LoadOrStore(name, &place{
		name:    name,
		records: make(map[keysync.Digest]*keysync.Record),
		caches:  make(map[keysync.Invalidator]struct{}),
	})
	return p.(*place)
}

func (p *place) set(key string, rec *keysync.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := keysync.DigestOf([]byte(key))
	p.records[d] = rec
	for c := range p.caches {
		c.Forget(d)
	}
}

func (p *place) watched() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.caches)
}

func (p *place) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.problem = err
}

func (p *place) lookup(d keysync.Digest) (*keysync.Record, error) {
	p.lookups.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.problem != nil {
		return nil, p.problem
	}
	if rec, ok := p.records[d]; ok {
		return rec, nil
	}
	return nil, keysync.ErrUnknown
}

// settings are what all these modules have.
type settings struct {
	Place string `json:"place,omitempty"`
}

func (s *settings) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next()
	if !d.AllArgs(&s.Place) {
		return d.Err("write `keys NAME PLACE`")
	}
	return nil
}

func (s *settings) Settings() string { return s.Place }

func (s *settings) begin() *place {
	p := placeOf(s.Place)
	p.opened.Add(1)
	p.open.Add(1)
	return p
}

func info(name string, module func() caddy.Module) caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: caddy.ModuleID("ingest_auth.sources." + name), New: module}
}

// bare is a source that can do nothing but look up.
type bare struct{ settings }

func (*bare) CaddyModule() caddy.ModuleInfo {
	return info("bare", func() caddy.Module { return new(bare) })
}

func (b *bare) Open(context.Context, *zap.Logger) (keysync.Source, error) {
	return bareSource{b.begin()}, nil
}

type bareSource struct{ *place }

func (s bareSource) Lookup(_ context.Context, d keysync.Digest) (*keysync.Record, error) {
	return s.lookup(d)
}

// able is a source that can do all that one with a cache can.
type able struct{ settings }

func (*able) CaddyModule() caddy.ModuleInfo {
	return info("able", func() caddy.Module { return new(able) })
}

func (a *able) Open(context.Context, *zap.Logger) (keysync.Source, error) {
	if a.Place == "shut" {
		return nil, errors.New("keys able: the place is shut")
	}
	return ableSource{bareSource{a.begin()}, a.Place}, nil
}

type ableSource struct {
	bareSource
	name string
}

func (s ableSource) Close() error { s.open.Add(-1); return nil }

func (s ableSource) Place() string { return s.name }

func (s ableSource) Watch(ctx context.Context, to keysync.Invalidator) {
	s.mu.Lock()
	s.caches[to] = struct{}{}
	s.mu.Unlock()
	<-ctx.Done()
	s.mu.Lock()
	delete(s.caches, to)
	s.mu.Unlock()
}

func (s ableSource) Status() keysync.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := keysync.Status{ChangesAt: time.Now(), Unusable: 7, Warning: "the place is dusty"}
	if s.problem != nil {
		st.Problem = s.problem.Error()
	}
	return st
}

// memory is a source that needs no cache.
type memory struct{ settings }

func (*memory) CaddyModule() caddy.ModuleInfo {
	return info("memory", func() caddy.Module { return new(memory) })
}

func (m *memory) Open(context.Context, *zap.Logger) (keysync.Source, error) {
	return &memorySource{bareSource{m.begin()}}, nil
}

type memorySource struct{ bareSource }

func (s *memorySource) Get(ctx context.Context, d keysync.Digest) (*keysync.Record, keysync.Outcome, error) {
	rec, err := s.Lookup(ctx, d)
	if err != nil {
		return nil, keysync.OutcomeUnknown, err
	}
	return rec, keysync.OutcomeHit, nil
}

func (s *memorySource) Records() iter.Seq[*keysync.Record] {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Values(maps.Clone(s.records))
}

func (s *memorySource) Reload() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.problem
}

func (s *memorySource) Status() keysync.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := keysync.Status{Records: len(s.records), Public: "memory is weak"}
	if s.problem != nil {
		st.Problem = s.problem.Error()
	}
	return st
}

// stranger is a module in the namespace that is no source.
type stranger struct{ settings }

func (*stranger) CaddyModule() caddy.ModuleInfo {
	return info("stranger", func() caddy.Module { return new(stranger) })
}

const site = `{
	auto_https off
	ingest_auth {
		keys #
		cache {
			fresh 10m
			outage 1h
		}
	}
	log {
		output file {{dir}}/caddy.log
		format redact_keys
	}
}
:{{gate}} {
	ingest_auth
	respond {http.ingest_auth.key_id}
}
`

func siteOf(keys string) string { return strings.Replace(site, "#", keys, 1) }

// made counts the places, so that each test has one of its own.
var made atomic.Int64

// start runs a gate with a place of the test's own.
func start(t *testing.T, source string) (*gatetest.Gate, *place) {
	t.Helper()
	p := placeOf(fmt.Sprintf("place_%d", made.Add(1)))
	p.set(keyA, &keysync.Record{KeyID: "key_a", Account: "acme", Mode: keysync.ModeLive})
	g := gatetest.New(t, nil)
	g.Run(t, siteOf(source+" "+p.name))
	return g, p
}

func ask(t *testing.T, g *gatetest.Gate, key string) gatetest.Response {
	t.Helper()
	req := gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {key}}}
	for range 10 {
		// The server that a reload stops closes connections it has just accepted.
		if resp, err := g.Try(req); err == nil {
			return resp
		}
	}
	return g.Do(t, req)
}

func wantAnswer(t *testing.T, g *gatetest.Gate, key string, status int) {
	t.Helper()
	if resp := ask(t, g, key); resp.Status != status {
		t.Errorf("%s: %d %s, want %d", key, resp.Status, resp.Body, status)
	}
}

// admin asks the admin endpoint.
func admin(t *testing.T, g *gatetest.Gate, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+g.Admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func wantParts(t *testing.T, what, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%s has no %s:\n%s", what, part, text)
		}
	}
}

// Whatever looks up by itself gets the cache, which is asked once for each key.
func TestCacheInFrontOfABareSource(t *testing.T) {
	g, p := start(t, "bare")
	for range 5 {
		wantAnswer(t, g, keyA, http.StatusOK)
		wantAnswer(t, g, keyB, http.StatusUnauthorized)
	}
	if n := p.lookups.Load(); n != 2 {
		t.Errorf("%d look-ups of two keys, want 2", n)
	}
	p.fail(keysync.ErrUnavailable)
	wantAnswer(t, g, keyA, http.StatusOK)
	wantAnswer(t, g, "never-asked-for-before-0123456789", http.StatusServiceUnavailable)
	if got := admin(t, g, http.MethodGet, "/ingest_auth/ready", ""); got != `{"status":"ready"}` {
		t.Errorf("a source that does not tell its state: %s", got)
	}
	wantParts(t, "status", admin(t, g, http.MethodGet, "/ingest_auth/status", ""),
		`"source":{"kind":"bare","records":1,"bare":{"unknown":1,"reads":3,"refused_reads":0,"unusable_records":0}}`)
	wantParts(t, "keys", admin(t, g, http.MethodGet, "/ingest_auth/keys", ""), `"key_id":"key_a"`)
	metrics := admin(t, g, http.MethodGet, "/metrics", "")
	wantParts(t, "metrics", metrics, "ingest_auth_cache_records 1")
	for _, none := range []string{"ingest_auth_source_up", "ingest_auth_change_feed", "ingest_auth_bare_records"} {
		if strings.Contains(metrics, none) {
			t.Errorf("metrics have %s of a source that does not tell it", none)
		}
	}
	wantParts(t, "purge", admin(t, g, http.MethodPost, "/ingest_auth/purge", `{"key_id":"key_a"}`), `{"purged":1}`)
	wantAnswer(t, g, keyA, http.StatusServiceUnavailable)
}

// What a source tells of is forgotten at once; nothing is told to a cache that is gone.
func TestWatchedChanges(t *testing.T) {
	g, p := start(t, "able")
	await.That(t, "somebody to watch", func() bool { return p.watched() > 0 })
	wantAnswer(t, g, keyA, http.StatusOK)
	wantAnswer(t, g, keyB, http.StatusUnauthorized)
	p.set(keyA, &keysync.Record{KeyID: "key_a", RevokedAt: keysync.MomentOf(time.Now())})
	p.set(keyB, &keysync.Record{KeyID: "key_b"})
	wantAnswer(t, g, keyA, http.StatusUnauthorized)
	wantAnswer(t, g, keyB, http.StatusOK)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if p.watched() != 0 || p.open.Load() != 0 {
		t.Errorf("after the end %d caches are told, and %d sources are open", p.watched(), p.open.Load())
	}
}

func TestReportedStatus(t *testing.T) {
	g, p := start(t, "able")
	if got, want := admin(t, g, http.MethodGet, "/ingest_auth/ready", ""), `{"status":"ready","warnings":["the place is dusty"]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	p.fail(fmt.Errorf("%w: 10.0.0.7 says no", keysync.ErrUnavailable))
	if got, want := admin(t, g, http.MethodGet, "/ingest_auth/ready", ""), `{"status":"not ready","problems":["the key source cannot be read, and no key is in the cache"]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	wantParts(t, "metrics", admin(t, g, http.MethodGet, "/metrics", ""),
		"ingest_auth_source_up 0", "ingest_auth_change_feed_lag_seconds", "ingest_auth_change_feed_last_success_timestamp_seconds")
	wantParts(t, "status", admin(t, g, http.MethodGet, "/ingest_auth/status", ""), "10.0.0.7 says no", `"unusable_records":7`, `"changes_read_at":"2`)
	p.fail(nil)
	wantAnswer(t, g, keyA, http.StatusOK)
	p.fail(keysync.ErrUnavailable)
	if got, want := admin(t, g, http.MethodGet, "/ingest_auth/ready", ""), `{"status":"ready","warnings":["the key source cannot be read; known keys are served from the cache"]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A Getter is asked every time, lists its own records, and reloads when it is purged.
func TestGetterHasNoCache(t *testing.T) {
	g, p := start(t, "memory")
	for range 3 {
		wantAnswer(t, g, keyA, http.StatusOK)
	}
	if n := p.lookups.Load(); n != 3 {
		t.Errorf("%d look-ups, want 3", n)
	}
	p.set(keyA, &keysync.Record{KeyID: "key_a", RevokedAt: keysync.MomentOf(time.Now())})
	wantAnswer(t, g, keyA, http.StatusUnauthorized)
	wantParts(t, "keys", admin(t, g, http.MethodGet, "/ingest_auth/keys", ""), `"state":"revoked"`)
	wantParts(t, "metrics", admin(t, g, http.MethodGet, "/metrics", ""), "ingest_auth_source_up 1", "ingest_auth_memory_records 1")
	wantParts(t, "status", admin(t, g, http.MethodGet, "/ingest_auth/status", ""), `"source":{"kind":"memory","records":1}`)
	wantParts(t, "purge", admin(t, g, http.MethodPost, "/ingest_auth/purge", `{"all":true}`), `{"purged":1}`)
	p.fail(errors.New("nothing to reload from"))
	wantParts(t, "purge", admin(t, g, http.MethodPost, "/ingest_auth/purge", `{"all":true}`), "nothing to reload from")
	if got, want := admin(t, g, http.MethodGet, "/ingest_auth/ready", ""), `{"status":"ready","warnings":["memory is weak; its last good content is served"]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// A source outlives a configuration that does not change its settings, and what is known
// of its records even one that changes those of the cache.
func TestReloadSharesSourceAndCache(t *testing.T) {
	for _, source := range []string{"able", "bare", "memory"} {
		t.Run(source, func(t *testing.T) {
			g, p := start(t, source)
			wantAnswer(t, g, keyA, http.StatusOK)
			looked := p.lookups.Load()
			same := siteOf(source + " " + p.name)
			if err := g.Load(strings.Replace(same, "ingest_auth\n", "ingest_auth {\nmax_body 2MiB\n}\n", 1)); err != nil {
				t.Fatal(err)
			}
			wantAnswer(t, g, keyA, http.StatusOK)
			if n := p.lookups.Load() - looked; source != "memory" && n != 0 {
				t.Errorf("%d look-ups after a reload: the cache was not taken over", n)
			}
			if err := g.Load(strings.Replace(same, "fresh 10m", "fresh 11m", 1)); err != nil {
				t.Fatal(err)
			}
			p.fail(keysync.ErrUnavailable)
			want := http.StatusOK
			if source != "able" { // they do not say where their records are
				want = http.StatusServiceUnavailable
			}
			wantAnswer(t, g, keyA, want)
			if n := p.opened.Load(); n != 1 {
				t.Errorf("the source was opened %d times, want once", n)
			}
		})
	}
}

// A configuration that cannot be loaded says why, and leaves the one that runs.
func TestRefusedConfigurations(t *testing.T) {
	g, p := start(t, "able")
	for _, tt := range []struct{ old, new, want string }{
		{"keys able", "keys consul", "keys: write `keys file PATH` or `keys vault { … }` or `keys able …` or `keys bare …`"},
		{"keys able " + p.name, "keys able", "write `keys NAME PLACE`, at Caddyfile:4"},
		{"able " + p.name, "able shut", "ingest_auth: keys able: the place is shut"},
		{"keys able", "keys stranger", "ingest_auth.sources.stranger is not a source: it does not implement keysync.Opener"},
		{"able " + p.name + "\n\t\tcache {", "bare x\n\t\tcache {\nsnapshot 1h", "cache snapshot: the source bare does not say where its records are"},
	} {
		err := g.Load(strings.Replace(siteOf("able "+p.name), tt.old, tt.new, 1))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want an error with %s", tt.new, err, tt.want)
		}
		wantAnswer(t, g, keyA, http.StatusOK)
	}
	if n := p.opened.Load(); n != 1 {
		t.Errorf("the source was opened %d times, want once", n)
	}
}

// JSON as it was before sources were modules, and what is wrong with some.
func TestKeysInJSON(t *testing.T) {
	for keys, want := range map[string]string{
		``:                                     "",
		`"keys":{},`:                           "",
		`"keys":{"file":"{{dir}}/keys.json"},`: "",
		`"keys":{"source":"file","file":"{{dir}}/keys.json"},`: "",
		`"keys":{"source":"able","place":"json"},`:             "",
		`"keys":{"source":"consul"},`:                          `ingest_auth: keys: "consul" is not one of able, bare, file, memory, stranger, vault`,
		`"keys":{"source":7},`:                                 `keys: must be an object with the name of a source`,
		`"keys":{"source":"file","vault":{}},`:                 `unknown field "vault"`,
		`"keys":{"source":"able","colour":"red"},`:             `unknown field "colour"`,
		`"keys":{"source":"vault","vault":{"timeout":"10m"}},`: `keys vault timeout: 10m0s is not between 1ms and 1m`,
	} {
		g := gatetest.New(t, nil)
		t.Chdir(g.Dir)
		g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
		cfg := `{"admin":{"disabled":true,"config":{"persist":false}},"storage":{"module":"file_system","root":"{{dir}}/storage"},"apps":{"ingest_auth":{` + keys + `"log_check":"off"}}}`
		cfg = strings.ReplaceAll(cfg, "{{dir}}", g.Dir)
		if !json.Valid([]byte(cfg)) {
			t.Fatal(cfg)
		}
		err := caddy.Load([]byte(cfg), true)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", keys, err, want)
		}
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// ingestKeys runs the command in the source of a configuration.
func ingestKeys(t *testing.T, config string, args ...string) (string, error) {
	t.Helper()
	root := &cobra.Command{Use: "ingest-keys", SilenceUsage: true}
	caddycmd.Commands()["ingest-keys"].CobraFunc(root)
	var out strings.Builder
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(append(args, "--config", config))
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

// The command that manages keys goes where the configuration of the gate goes.
func TestIngestKeysWithAConfiguration(t *testing.T) {
	g := gatetest.New(t, nil)
	caddyfile := g.Write(t, "Caddyfile", "{\n\tingest_auth {\n\t\tkeys file "+g.Dir+"/keys.json\n\t}\n}\n")
	asJSON := g.Write(t, "config.json", `{"apps":{"ingest_auth":{"keys":{"file":"`+g.Dir+`/keys.json"}}}}`)
	if out, err := ingestKeys(t, caddyfile, "create", "--id", "key_x", "--account", "acme"); err != nil || !strings.Contains(out, "iak_live_") {
		t.Fatalf("%v: %s", err, out)
	}
	for _, config := range []string{caddyfile, asJSON} {
		if out, err := ingestKeys(t, config, "list"); err != nil || !strings.Contains(out, "key_x") {
			t.Errorf("%s: %v: %s", config, err, out)
		}
	}
	for content, want := range map[string]string{
		"{\n\tingest_auth {\n\t\tkeys bare x\n\t}\n}\n":     "keys of the source bare cannot be listed or changed with this command",
		"{\n\tingest_auth {\n\t\tkeys stranger x\n\t}\n}\n": "is not a source",
		"{\n\tingest_auth {\n\t\tkeys consul\n\t}\n}\n":     "keys: write `keys file PATH`",
		":80 {\n}\n": "there is no ingest_auth in it",
	} {
		if _, err := ingestKeys(t, g.Write(t, "Caddyfile", content), "list"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want an error with %s", content, err, want)
		}
	}
	if _, err := ingestKeys(t, caddyfile, "list", "--vault"); err == nil || !strings.Contains(err.Error(), "one of --file PATH") {
		t.Errorf("two places: %v", err)
	}
	if _, err := ingestKeys(t, caddyfile, "list", "--vault-mount", "x"); err == nil || !strings.Contains(err.Error(), "not --config") {
		t.Errorf("Vault's flags: %v", err)
	}
}
