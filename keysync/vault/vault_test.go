package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/vault/api"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// rootOptions give all rights, and time enough for a busy machine.
func rootOptions(s *vaulttest.Server) Options {
	return Options{
		Address: s.URL(),
		CACert:  s.CACert(),
		Timeout: 5 * time.Second,
		Auth:    Auth{Token: Secret(s.Root)},
	}
}

// newVault starts a Vault source and gives its log.
func newVault(t *testing.T, opts Options) (*Source, *observer.ObservedLogs) {
	t.Helper()
	core, logs := observer.New(zapcore.DebugLevel)
	v, err := New(opts, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v, logs
}

// openVault starts a Vault source that must be able to log in at once.
func openVault(t *testing.T, opts Options) (*Source, *observer.ObservedLogs) {
	t.Helper()
	v, logs := newVault(t, opts)
	if err := v.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return v, logs
}

// policy returns the rules of a file in docs.
func policy(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// startVault starts a server that has the policies of docs, as gateway and admin.
func startVault(t *testing.T) *vaulttest.Server {
	t.Helper()
	s := vaulttest.Start(t)
	s.Policy("gateway", policy(t, "vault-policy.hcl"))
	s.Policy("admin", policy(t, "vault-policy-admin.hcl"))
	return s
}

func newToken(t *testing.T, s *vaulttest.Server, req api.TokenCreateRequest) string {
	t.Helper()
	secret, err := s.Client().Auth().Token().Create(&req)
	if err != nil {
		t.Fatal(err)
	}
	return secret.Auth.ClientToken
}

func lookup(t *testing.T, src keysync.Source, d keysync.Digest) error {
	t.Helper()
	rec, err := src.Lookup(t.Context(), d)
	if (rec == nil) != (err != nil) {
		t.Fatalf("record %v, error %v", rec, err)
	}
	return err
}

func TestVaultStore(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	n := 0
	open := func(opts Options) func(t *testing.T) keysync.Store {
		return func(t *testing.T) keysync.Store {
			n++
			opts.Prefix = fmt.Sprintf("ingest/keys/%d", n) // a store of its own
			v, _ := openVault(t, opts)
			return v
		}
	}
	t.Run("root", func(t *testing.T) { sourcetest.Stores(t, open(rootOptions(s))) })
	t.Run("admin policy", func(t *testing.T) {
		opts := rootOptions(s)
		opts.Auth.Token = Secret(newToken(t, s, api.TokenCreateRequest{Policies: []string{"admin"}}))
		sourcetest.Stores(t, open(opts))
	})
}

func TestVaultLookup(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	for name, test := range map[string]func(t *testing.T, s *vaulttest.Server, v *Source, logs *observer.ObservedLogs){
		"all fields":               lookupAllFields,
		"unknown":                  lookupUnknown,
		"deleted, back, destroyed": lookupDeleted,
		"malformed":                lookupMalformed,
		"search without an index":  findWithoutIndex,
	} {
		t.Run(name, func(t *testing.T) {
			opts := rootOptions(s)
			opts.Prefix = "ingest/" + strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")
			v, logs := openVault(t, opts)
			test(t, s, v, logs)
		})
	}
}

// kvPath returns the path of a record below the mount.
func (v *Source) kvPath(d keysync.Digest) string {
	return strings.TrimPrefix(v.recordPath(d), v.opts.Mount+"/data/")
}

// putByHand writes a document as a tool does that knows nothing of the change
// feed, the index and the schema.
func putByHand(t *testing.T, s *vaulttest.Server, v *Source, d keysync.Digest, data map[string]any) {
	t.Helper()
	if _, err := s.Client().KVv2(v.opts.Mount).Put(t.Context(), v.kvPath(d), data); err != nil {
		t.Fatal(err)
	}
}

// fullRecord has every field.
const fullRecord = `{
	"key_id": "key_1",
	"account": "acme",
	"mode": "test",
	"env": "production",
	"scopes": ["events:write", "events:read"],
	"resources": {"project": ["p1", "p2"], "datasource": ["*"]},
	"limits": {"key": "100/1m"},
	"created_at": "2026-01-02T03:04:05Z",
	"not_before": "2026-01-02T03:04:05.678Z",
	"expires_at": "2027-01-02T05:04:05+02:00",
	"revoked_at": "2026-06-01T00:00:00Z",
	"successor": "key_2"
}`

func lookupAllFields(t *testing.T, _ *vaulttest.Server, v *Source, _ *observer.ObservedLogs) {
	want, err := keysync.ParseRecord([]byte(fullRecord))
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.MustCreate(t, v, keysync.Entry{Digest: sourcetest.Digest(1), Record: want})
	got, err := v.Lookup(t.Context(), sourcetest.Digest(1))
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, d)
	}
	if v.recordPath(sourcetest.Digest(1)) != "secret/data/"+v.opts.Prefix+"/"+sourcetest.Digest(1).String()[:2]+"/"+sourcetest.Digest(1).String() {
		t.Errorf("path %s", v.recordPath(sourcetest.Digest(1)))
	}
}

func lookupUnknown(t *testing.T, _ *vaulttest.Server, v *Source, _ *observer.ObservedLogs) {
	if err := lookup(t, v, sourcetest.Digest(2)); !errors.Is(err, keysync.ErrUnknown) || errors.Is(err, keysync.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
}

func lookupDeleted(t *testing.T, s *vaulttest.Server, v *Source, _ *observer.ObservedLogs) {
	kv := s.Client().KVv2("secret")
	d := sourcetest.Digest(3)
	sourcetest.MustCreate(t, v, sourcetest.Entry(3))
	if err := kv.Delete(t.Context(), v.kvPath(d)); err != nil {
		t.Fatal(err)
	}
	if err := lookup(t, v, d); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("deleted: error %v", err)
	}
	if _, err := v.Update(t.Context(), d, func(*keysync.Record) error { return nil }); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("update of a deleted record: %v", err)
	}
	sourcetest.MustCreate(t, v, sourcetest.Entry(3))
	if err := lookup(t, v, d); err != nil {
		t.Errorf("created again: error %v", err)
	}
	if err := kv.Destroy(t.Context(), v.kvPath(d), []int{1, 2}); err != nil {
		t.Fatal(err)
	}
	if err := lookup(t, v, d); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("destroyed: error %v", err)
	}
	for e, err := range v.List(t.Context()) {
		if e.Digest == d || err != nil {
			t.Errorf("listed: %v, %v", e, err)
		}
	}
}

func lookupMalformed(t *testing.T, s *vaulttest.Server, v *Source, logs *observer.ObservedLogs) {
	d := sourcetest.Digest(4)
	putByHand(t, s, v, d, map[string]any{"key_id": "key_4", "color": "topsecret"})
	for range 3 {
		err := lookup(t, v, d)
		if !errors.Is(err, keysync.ErrUnusable) || !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) {
			t.Errorf("error %v", err)
		}
		if text := err.Error(); !strings.Contains(text, v.recordPath(d)) || !strings.Contains(text, `"color"`) || strings.Contains(text, "topsecret") {
			t.Errorf("error %v", err)
		}
	}
	entries := logs.FilterMessageSnippet("record cannot be used").All()
	if len(entries) != 1 || entries[0].ContextMap()["field"] != "color" || entries[0].ContextMap()["path"] != v.recordPath(d) {
		t.Errorf("logged %v", entries)
	}
	putByHand(t, s, v, d, map[string]any{"key_id": "key_4", "mode": 5})
	_ = lookup(t, v, d)
	if n := logs.FilterMessageSnippet("record cannot be used").Len(); n != 2 {
		t.Errorf("%d log entries after a change, want 2", n)
	}
	if n := v.Status().Unusable; n != 4 {
		t.Errorf("counted %d, want 4", n)
	}
	var listed error
	for e, err := range v.List(t.Context()) {
		if e.Digest == d {
			listed = err
		}
	}
	if !errors.Is(listed, keysync.ErrUnusable) {
		t.Errorf("listed with %v", listed)
	}
	if _, err := v.Update(t.Context(), d, func(*keysync.Record) error { return nil }); !errors.Is(err, keysync.ErrUnusable) {
		t.Errorf("update of a malformed record: %v", err)
	}
}

func findWithoutIndex(t *testing.T, s *vaulttest.Server, v *Source, _ *observer.ObservedLogs) {
	d := sourcetest.Digest(5)
	putByHand(t, s, v, d, map[string]any{"key_id": "key_by_hand"})
	if e, err := v.Find(t.Context(), "key_by_hand"); e.Digest != d || err != nil {
		t.Errorf("found %v, %v", e.Digest, err)
	}
}

func TestVaultLeastPrivilege(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	admin, _ := openVault(t, rootOptions(s))
	sourcetest.MustCreate(t, admin, sourcetest.Entry(1))
	for name, req := range map[string]api.TokenCreateRequest{
		"with the default policy":    {Policies: []string{"gateway"}},
		"without the default policy": {Policies: []string{"gateway"}, NoDefaultPolicy: true},
	} {
		t.Run(name, func(t *testing.T) {
			opts := rootOptions(s)
			opts.Auth.Token = Secret(newToken(t, s, req))
			v, logs := openVault(t, opts)
			if err := lookup(t, v, sourcetest.Digest(1)); err != nil {
				t.Error(err)
			}
			if err := lookup(t, v, sourcetest.Digest(2)); !errors.Is(err, keysync.ErrUnknown) {
				t.Error(err)
			}
			c := newTestCache(t, v, cache.Options{})
			watch(t, v, c, 10*time.Millisecond)
			await.That(t, "the feed is followed", func() bool { return logs.FilterMessage("following the change feed").Len() == 1 })
			for what, err := range map[string]error{
				"create": func() error { _, err := v.Create(t.Context(), sourcetest.Entry(3)); return err }(),
				"update": func() error {
					_, err := v.Update(t.Context(), sourcetest.Digest(1), func(*keysync.Record) error { return nil })
					return err
				}(),
				"list":    func() error { _, err := v.Find(t.Context(), "key_none"); return err }(),
				"outside": func() error { _, err := v.current(t.Context(), "secret/data/other"); return err }(),
			} {
				if !isDenied(err) {
					t.Errorf("%s: error %v, want a denial", what, err)
				} else if !strings.Contains(err.Error(), "policy allows this path") {
					t.Errorf("%s: error %v does not help", what, err)
				}
			}
			// Denials do not shake a good token.
			if err := lookup(t, v, sourcetest.Digest(1)); err != nil {
				t.Error(err)
			}
		})
	}
}

// A policy that lacks the path of records makes no key unknown.
func TestVaultPolicyDenial(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	s.Policy("feed only", `path "secret/data/ingest/keys/changes" { capabilities = ["read"] }`)
	opts := rootOptions(s)
	opts.Auth.Token = Secret(newToken(t, s, api.TokenCreateRequest{Policies: []string{"feed only"}}))
	v, logs := openVault(t, opts)
	for range 5 {
		err := lookup(t, v, sourcetest.Digest(1))
		if !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) || !strings.Contains(err.Error(), "policy allows this path") {
			t.Errorf("error %v", err)
		}
	}
	if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 1 {
		t.Errorf("%d errors logged, want 1: %v", n, logs.All())
	}
}

func TestVaultMountIsNotRight(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	s.Write("sys/mounts/old", map[string]any{"type": "kv", "options": map[string]string{"version": "1"}})
	s.Write("sys/mounts/cipher", map[string]any{"type": "transit"})
	for name, tt := range map[string]struct{ mount, want string }{
		"version 1":     {"old", "it is not a KV engine of version 2"},
		"not KV":        {"cipher", "it is not a KV engine of version 2"},
		"no such mount": {"nowhere", "the mount does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			opts := rootOptions(s)
			opts.Mount = tt.mount
			v, _ := newVault(t, opts)
			err := v.Wait(t.Context())
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.mount) {
				t.Errorf("problem %v", err)
			}
			if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("look-up: %v", err)
			}
		})
	}
	t.Run("removed while in use", func(t *testing.T) {
		s.Write("sys/mounts/brief", map[string]any{"type": "kv", "options": map[string]string{"version": "2"}})
		opts := rootOptions(s)
		opts.Mount = "brief"
		v, _ := openVault(t, opts)
		await.That(t, "the new mount works", func() bool { return errors.Is(lookup(t, v, sourcetest.Digest(1)), keysync.ErrUnknown) })
		if err := s.Client().Sys().Unmount("brief"); err != nil {
			t.Fatal(err)
		}
		err := lookup(t, v, sourcetest.Digest(1))
		if !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) || !strings.Contains(err.Error(), "check mount and namespace") {
			t.Errorf("error %v", err)
		}
	})
}

// Something else than Vault makes no key unknown, whatever it answers.
func TestVaultIsSomethingElse(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]http.HandlerFunc{
		"404 page":        http.NotFound,
		"404 and no more": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) },
		"200 page":        func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello</html>") },
		"200 empty":       func(http.ResponseWriter, *http.Request) {},
		"200 object":      func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "{}") },
		"500":             func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"far too long": func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"data":{"data":{"key_id":"`+strings.Repeat("x", 2<<20)+`"}}}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(answer)
			defer srv.Close()
			v, _ := newVault(t, Options{Address: srv.URL, Auth: Auth{Token: "t"}})
			if err := v.Wait(t.Context()); err == nil {
				t.Error("logged in")
			}
			v.usable.Store(true) // as if it had been Vault when we logged in
			if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) || errors.Is(err, keysync.ErrUnusable) {
				t.Errorf("error %v", err)
			}
			if _, err := v.current(t.Context(), v.recordPath(sourcetest.Digest(1))); err == nil {
				t.Error("a writer takes it for an empty place")
			}
		})
	}
}

func TestVaultTLS(t *testing.T) {
	s := vaulttest.StartTLS(t)
	t.Run("CA file", func(t *testing.T) {
		v, _ := openVault(t, rootOptions(s))
		if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnknown) {
			t.Error(err)
		}
	})
	t.Run("CA from the environment", func(t *testing.T) {
		t.Setenv("VAULT_CACERT", s.CACert())
		opts := rootOptions(s)
		opts.CACert = ""
		openVault(t, opts)
	})
	t.Run("no CA", func(t *testing.T) {
		opts := rootOptions(s)
		opts.CACert = ""
		v, _ := newVault(t, opts)
		if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("problem %v", err)
		}
	})
	t.Run("server name", func(t *testing.T) {
		opts := rootOptions(s)
		opts.TLSServerName = "localhost"
		openVault(t, opts)
		opts.TLSServerName = "vault.example"
		v, _ := newVault(t, opts)
		if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "vault.example") {
			t.Errorf("problem %v", err)
		}
	})
	t.Run("files that are not there", func(t *testing.T) {
		for _, opts := range []Options{
			{CACert: "/nowhere/ca.pem"},
			{ClientCert: "/nowhere/cert.pem", ClientKey: "/nowhere/key.pem"},
		} {
			opts.Auth.Token = "t"
			if _, err := New(opts, zap.NewNop()); err == nil {
				t.Errorf("%+v accepted", opts)
			}
		}
	})
}

// What is set goes before the environment, and the environment before defaults.
func TestVaultEnvironment(t *testing.T) {
	type seen struct{ host, token, namespace, wrap string }
	requests := make(chan seen, 100)
	serve := func() *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			requests <- seen{r.Host, r.Header.Get("X-Vault-Token"), r.Header.Get("X-Vault-Namespace"), r.Header.Get("X-Vault-Wrap-TTL")}
			http.Error(w, "{}", http.StatusServiceUnavailable)
		}))
		t.Cleanup(srv.Close)
		return srv
	}
	one, other := serve(), serve()
	host := func(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }
	t.Setenv("VAULT_ADDR", one.URL)
	t.Setenv("VAULT_TOKEN", "token-of-the-environment")
	t.Setenv("VAULT_NAMESPACE", "env/")
	t.Setenv("VAULT_WRAP_TTL", "5m")
	t.Setenv("VAULT_MAX_RETRIES", "5")
	tests := []struct {
		name string
		env  map[string]string
		opts Options
		want seen
	}{
		{"environment", nil, Options{}, seen{host(one), "token-of-the-environment", "env/", ""}},
		{"set", nil, Options{Address: other.URL, Namespace: "set/", Auth: Auth{Token: "set"}}, seen{host(other), "set", "set/", ""}},
		{"agent", map[string]string{"VAULT_AGENT_ADDR": other.URL}, Options{}, seen{host(other), "token-of-the-environment", "env/", ""}},
		{"set goes before agent", map[string]string{"VAULT_AGENT_ADDR": one.URL}, Options{Address: other.URL}, seen{host(other), "token-of-the-environment", "env/", ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			v, _ := newVault(t, tt.opts)
			if err := v.Wait(t.Context()); err == nil {
				t.Error("logged in")
			}
			if got := <-requests; got != tt.want {
				t.Errorf("request %+v, want %+v", got, tt.want)
			}
			v.usable.Store(true)
			for len(requests) > 0 {
				<-requests
			}
			_ = lookup(t, v, sourcetest.Digest(1))
			if n := len(requests); n != 1 {
				t.Errorf("%d requests for one look-up, want 1", n)
			}
			if got := <-requests; got.wrap != "" || got.namespace != tt.want.namespace {
				t.Errorf("look-up %+v", got)
			}
		})
	}
	t.Run("nonsense", func(t *testing.T) {
		t.Setenv("VAULT_MAX_RETRIES", "many")
		if _, err := New(Options{}, zap.NewNop()); err == nil || !strings.Contains(err.Error(), "VAULT_*") {
			t.Errorf("error %v", err)
		}
	})
}

func TestVaultOptionErrors(t *testing.T) {
	good := Auth{Token: "t"}
	tests := []struct {
		name string
		opts Options
		want string
	}{
		{"no token", Options{}, "auth token needs a token"},
		{"no token file", Options{Auth: Auth{Method: "token_file"}}, "auth token_file needs"},
		{"no role ID", Options{Auth: Auth{Method: "approle", SecretID: "s"}}, "auth approle needs"},
		{"no secret ID", Options{Auth: Auth{Method: "approle", Role: "r"}}, "auth approle needs"},
		{"two secret IDs", Options{Auth: Auth{Method: "approle", Role: "r", SecretID: "s", File: "f"}}, "auth approle needs"},
		{"no role", Options{Auth: Auth{Method: "kubernetes"}}, "auth kubernetes needs"},
		{"unknown method", Options{Auth: Auth{Method: "ldap"}}, `auth "ldap" is not known`},
		{"certificate without key", Options{Auth: good, ClientCert: "c"}, "must be set together"},
		{"negative timeout", Options{Auth: good, Timeout: -1}, "timeout must not be negative"},
		{"mount with dots", Options{Auth: good, Mount: "a/../b"}, "is not a path"},
		{"prefix with an empty part", Options{Auth: good, Prefix: "a//b"}, "is not a path"},
		{"prefix with a query", Options{Auth: good, Prefix: "a?version=1"}, "is not a path"},
		{"auth mount with a fragment", Options{Auth: Auth{Token: "t", Mount: "a#b"}}, "is not a path"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.opts, zap.NewNop())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestSecretDoesNotShow(t *testing.T) {
	opts := Options{Auth: Auth{Token: "topsecret", SecretID: "topsecret"}}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if out := fmt.Sprintf(verb, opts); strings.Contains(out, "topsecret") || strings.Contains(out, "746f70") {
			t.Errorf("%s prints %s", verb, out)
		}
	}
	text, err := opts.Auth.Token.MarshalText()
	if string(text) != hiddenSecret || err != nil {
		t.Errorf("text %s, %v", text, err)
	}
}

func TestVaultPlace(t *testing.T) {
	base := Options{Address: "http://127.0.0.1:1", Auth: Auth{Token: "t"}}
	seen := map[string]string{}
	for name, change := range map[string]func(*Options){
		"base":      func(*Options) {},
		"address":   func(o *Options) { o.Address = "http://127.0.0.1:2" },
		"namespace": func(o *Options) { o.Namespace = "n" },
		"mount":     func(o *Options) { o.Mount = "m" },
		"prefix":    func(o *Options) { o.Prefix = "p" },
	} {
		opts := base
		change(&opts)
		v, _ := newVault(t, opts)
		place := v.Place()
		if other, ok := seen[place]; ok {
			t.Errorf("%s and %s have the same place", name, other)
		}
		seen[place] = name
	}
	same := base
	same.Mount, same.Prefix, same.Auth.Token = "/secret/", "/ingest/keys/", "other"
	v, _ := newVault(t, same)
	if seen[v.Place()] != "base" {
		t.Errorf("%s depends on more than where the records are", v.Place())
	}
}

// A writer that dies between its steps leaves nothing that the same call, made
// again, does not complete.
func TestVaultCreateIsRepeatable(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	v, _ := openVault(t, rootOptions(s))
	ctx := t.Context()
	feedHas := func(d keysync.Digest) bool {
		doc, err := v.current(ctx, v.dataPath(changesPath))
		return err == nil && strings.Contains(string(doc.Data), d.String())
	}
	t.Run("after the index", func(t *testing.T) {
		e := sourcetest.Entry(1)
		if err := v.createIndex(ctx, e); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Find(ctx, e.Record.KeyID); !errors.Is(err, keysync.ErrUnknown) {
			t.Errorf("found: %v", err)
		}
		sourcetest.MustCreate(t, v, e)
		if err := lookup(t, v, e.Digest); err != nil || !feedHas(e.Digest) {
			t.Errorf("look-up: %v, in feed: %v", err, feedHas(e.Digest))
		}
	})
	t.Run("after the record", func(t *testing.T) {
		e := sourcetest.Entry(2)
		if _, err := v.create(ctx, e); err != nil {
			t.Fatal(err)
		}
		if feedHas(e.Digest) {
			t.Fatal("in the feed already")
		}
		if existing, err := v.Create(ctx, e); err != nil || len(existing) != 1 {
			t.Errorf("Create = %v, %v", existing, err)
		}
		if !feedHas(e.Digest) {
			t.Error("gateways were not told")
		}
	})
	t.Run("some of many", func(t *testing.T) {
		bad := sourcetest.Entry(4)
		bad.Record.Mode = "x"
		_, err := v.Create(ctx, sourcetest.Entry(3), bad, sourcetest.Entry(5))
		if err == nil || !strings.Contains(err.Error(), "creating key_4") || !strings.Contains(err.Error(), "2 of 3 records are stored") {
			t.Errorf("error %v", err)
		}
		for _, i := range []int{3, 5} {
			if err := lookup(t, v, sourcetest.Digest(i)); err != nil || !feedHas(sourcetest.Digest(i)) {
				t.Errorf("record %d: %v, in feed: %v", i, err, feedHas(sourcetest.Digest(i)))
			}
		}
	})
	t.Run("the feed cannot be written", func(t *testing.T) {
		s.Policy("no feed", `
			path "secret/data/ingest/keys/*" { capabilities = ["create", "read", "update"] }
			path "secret/data/ingest/keys/changes" { capabilities = ["read"] }`)
		opts := rootOptions(s)
		opts.Auth.Token = Secret(newToken(t, s, api.TokenCreateRequest{Policies: []string{"no feed"}}))
		weak, _ := openVault(t, opts)
		_, err := weak.Create(ctx, sourcetest.Entry(6))
		if err == nil || !strings.Contains(err.Error(), "gateways have not been told: run the same again") {
			t.Errorf("error %v", err)
		}
		sourcetest.MustCreate(t, v, sourcetest.Entry(6))
		if !feedHas(sourcetest.Digest(6)) {
			t.Error("gateways were not told the second time")
		}
	})
}

func TestVaultClockSkew(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	v, logs := openVault(t, rootOptions(s))
	skew, err := v.ClockSkew(t.Context())
	if err != nil || skew.Abs() > 2*time.Second {
		t.Errorf("skew %v, %v", skew, err)
	}
	if n := logs.FilterMessageSnippet("clock differs").Len(); n != 0 {
		t.Error("warned without need")
	}
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/sys/health":
			fmt.Fprintf(w, `{"server_time_utc":%d}`, time.Now().Add(-time.Minute).Unix())
		case strings.HasPrefix(r.URL.Path, "/v1/sys/internal/ui/mounts/"):
			fmt.Fprint(w, `{"data":{"type":"kv","options":{"version":"2"}}}`)
		default:
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	defer fake.Close()
	v, logs = openVault(t, Options{Address: fake.URL, Auth: Auth{Token: "t"}})
	await.That(t, "a warning", func() bool { return logs.FilterMessageSnippet("clock differs").Len() == 1 })
	if skew, err := v.ClockSkew(t.Context()); err != nil || skew < 59*time.Second || skew > 62*time.Second {
		t.Errorf("skew %v, %v", skew, err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	answer := func(code int, errs ...string) error {
		return fmt.Errorf("outer: %w", &api.ResponseError{StatusCode: code, Errors: errs, URL: "http://v/x", HTTPMethod: "GET"})
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"nothing", nil, ""},
		{"denied", answer(403, "permission denied"), "doing: Vault answered 403 (permission denied); check that the token is valid and that its policy allows this path"},
		{"sealed", answer(503, "Vault is sealed"), "doing: Vault answered 503 (Vault is sealed); unseal it"},
		{"no mount", answer(404, "no handler for route \"x\""), "doing: Vault answered 404 (no handler for route \"x\"); check mount and namespace"},
		{"namespace", answer(404, "namespace not found"), "doing: Vault answered 404 (namespace not found); check mount and namespace"},
		{"many lines", answer(500, "1 error occurred:\n\t* boom\n\n"), "doing: Vault answered 500 (1 error occurred: * boom)"},
		{"long", answer(500, strings.Repeat("é", 150)), "doing: Vault answered 500 (" + strings.Repeat("é", 100) + "…)"},
		{"a page", &api.ResponseError{StatusCode: 502, RawError: true, Errors: []string{"<html>"}}, "doing: Vault answered 502; check that the address is that of Vault"},
		{"deadline", fmt.Errorf("x: %w", context.DeadlineExceeded), "doing: Vault did not answer in time"},
		{"other", errors.New("other"), "doing: other"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := explain(tt.err, "doing")
			if (err == nil) != (tt.err == nil) {
				t.Fatalf("error %v", err)
			}
			if err == nil {
				return
			}
			if err.Error() != tt.want {
				t.Errorf("got  %s\nwant %s", err, tt.want)
			}
			if !errors.Is(err, tt.err) {
				t.Error("the cause is lost")
			}
		})
	}
}
