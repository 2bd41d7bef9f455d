package vault

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/vaulttest"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

// staysGood looks a digest up over and over and fails at the first error but
// ErrUnknown.
func staysGood(t *testing.T, v *Source, during time.Duration) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnknown) {
			t.Fatal(err)
		}
	}
}

// comesBack waits until look-ups work.
func comesBack(t *testing.T, v *Source) {
	t.Helper()
	await.That(t, "look-ups work again", func() bool { return errors.Is(lookup(t, v, sourcetest.Digest(1)), keysync.ErrUnknown) })
}

// noSecrets checks that no secret has been logged.
func noSecrets(t *testing.T, logs *observer.ObservedLogs, secrets ...string) {
	t.Helper()
	enc := zapcore.NewJSONEncoder(zapcore.EncoderConfig{MessageKey: "m"})
	for _, e := range logs.All() {
		b, err := enc.EncodeEntry(e.Entry, e.Context)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range secrets {
			if strings.Contains(b.String(), s) {
				t.Errorf("a secret was logged: %s", b)
			}
		}
	}
}

func secretFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	vaulttest.WriteFile(t, path, content)
	return path
}

func TestVaultTokenIsRenewed(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	token := newToken(t, s, api.TokenCreateRequest{Policies: []string{"gateway"}, Period: "4s"})
	opts := rootOptions(s)
	opts.Auth.Token = Secret(token)
	v, logs := openVault(t, opts)
	staysGood(t, v, 5*time.Second)
	noSecrets(t, logs, token)
	if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 0 {
		t.Errorf("errors logged: %v", logs.All())
	}
}

// A token that cannot be replaced ends, and keys do not become unknown.
func TestVaultTokenEnds(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	token := newToken(t, s, api.TokenCreateRequest{Policies: []string{"gateway"}, TTL: "3s", ExplicitMaxTTL: "3s"})
	opts := rootOptions(s)
	opts.Auth.Token = Secret(token)
	v, logs := openVault(t, opts)
	staysGood(t, v, time.Second)
	await.That(t, "the token ends", func() bool { return errors.Is(lookup(t, v, sourcetest.Digest(1)), keysync.ErrUnavailable) })
	await.That(t, "the login is tried again", func() bool { return v.Problem() != nil })
	if p := v.Problem().Error(); !strings.Contains(p, "check that the token is valid") {
		t.Errorf("problem %s", p)
	}
	for range 5 {
		if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) {
			t.Error(err)
		}
	}
	noSecrets(t, logs, token)
}

func TestVaultTokenFile(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	first := newToken(t, s, api.TokenCreateRequest{Policies: []string{"gateway"}})
	second := newToken(t, s, api.TokenCreateRequest{Policies: []string{"gateway"}})
	opts := rootOptions(s)
	opts.Auth = Auth{Method: TokenFile, File: secretFile(t, first+"\n")}
	v, logs := openVault(t, opts)
	staysGood(t, v, 50*time.Millisecond)

	// The next token is there in time: nobody notices.
	vaulttest.WriteFile(t, opts.Auth.File, second)
	await.That(t, "the new token is used", func() bool { return v.client.Token() == second })
	if err := s.Client().Auth().Token().RevokeTree(first); err != nil {
		t.Fatal(err)
	}
	staysGood(t, v, 50*time.Millisecond)

	// It comes late.
	if err := s.Client().Auth().Token().RevokeTree(second); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the token ends", func() bool { return errors.Is(lookup(t, v, sourcetest.Digest(1)), keysync.ErrUnavailable) })
	third := newToken(t, s, api.TokenCreateRequest{Policies: []string{"gateway"}})
	if err := os.Remove(opts.Auth.File); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the missing file is noticed", func() bool {
		return v.Problem() != nil && strings.Contains(v.Problem().Error(), "no such file")
	})
	vaulttest.WriteFile(t, opts.Auth.File, third)
	comesBack(t, v)
	noSecrets(t, logs, first, second, third)
}

func TestVaultAppRole(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	roleID := s.AppRoleLogin("gateway", map[string]any{
		"token_policies": "gateway", "token_ttl": "4s", "token_max_ttl": "6s",
	})
	for name, test := range map[string]func(t *testing.T, s *vaulttest.Server, roleID string){
		"renewed, and logged in again at the end": appRoleRenewed,
		"token revoked while in use":              appRoleTokenRevoked,
		"wrapped secret ID":                       appRoleWrapped,
		"wrapped secret ID used by somebody else": appRoleWrappedAndUsed,
		"something else is wrapped":               appRoleWrappedSomethingElse,
		"bad secret ID, then a good one":          appRoleBadThenGood,
		"other mount":                             appRoleOtherMount,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, s, roleID)
		})
	}
}

func appRoleRenewed(t *testing.T, s *vaulttest.Server, roleID string) {
	secretID := s.SecretID("gateway", false)
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, SecretID: Secret(secretID)}
	v, logs := openVault(t, opts)
	token := v.client.Token()
	staysGood(t, v, 8*time.Second)
	if v.client.Token() == token {
		t.Error("the token is used past its end")
	}
	noSecrets(t, logs, secretID, token)
}

func appRoleTokenRevoked(t *testing.T, s *vaulttest.Server, roleID string) {
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, File: secretFile(t, s.SecretID("gateway", false)+"\n")}
	v, _ := openVault(t, opts)
	if err := s.Client().Auth().Token().RevokeTree(v.client.Token()); err != nil {
		t.Fatal(err)
	}
	if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) {
		t.Errorf("right after: %v", err)
	}
	comesBack(t, v)
}

func appRoleWrapped(t *testing.T, s *vaulttest.Server, roleID string) {
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, File: secretFile(t, s.SecretID("gateway", true)), Wrapped: true}
	v, _ := openVault(t, opts)
	token := v.client.Token()
	staysGood(t, v, 7*time.Second)
	if v.client.Token() == token {
		t.Error("not logged in again with the unwrapped secret ID")
	}
}

func appRoleWrappedAndUsed(t *testing.T, s *vaulttest.Server, roleID string) {
	wrapped := s.SecretID("gateway", true)
	c := s.Client()
	if _, err := c.Logical().Unwrap(wrapped); err != nil {
		t.Fatal(err)
	}
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, SecretID: Secret(wrapped), Wrapped: true}
	v, logs := newVault(t, opts)
	if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "somebody else may have used it") {
		t.Errorf("problem %v", err)
	}
	noSecrets(t, logs, wrapped)
}

func appRoleWrappedSomethingElse(t *testing.T, s *vaulttest.Server, roleID string) {
	c := s.Client()
	c.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	secret, err := c.Logical().Write("sys/wrapping/wrap", map[string]any{"secret_id": "mine"})
	if err != nil {
		t.Fatal(err)
	}
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, SecretID: Secret(secret.WrapInfo.Token), Wrapped: true}
	v, _ := newVault(t, opts)
	if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "somebody may have replaced it") {
		t.Errorf("problem %v", err)
	}
}

func appRoleBadThenGood(t *testing.T, s *vaulttest.Server, roleID string) {
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, File: secretFile(t, "not-a-secret-id")}
	v, logs := newVault(t, opts)
	if err := v.Wait(t.Context()); err == nil {
		t.Error("logged in")
	}
	vaulttest.WriteFile(t, opts.Auth.File, s.SecretID("gateway", false))
	comesBack(t, v)
	noSecrets(t, logs, "not-a-secret-id")
}

func appRoleOtherMount(t *testing.T, s *vaulttest.Server, roleID string) {
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Mount: "elsewhere", Role: roleID, SecretID: Secret(s.SecretID("gateway", false))}
	v, _ := newVault(t, opts)
	if err := v.Wait(t.Context()); err == nil {
		t.Error("logged in")
	}
}

// A login whose policy is of no use leaves no tokens behind.
func TestVaultUselessLoginIsDiscarded(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	roleID := s.AppRoleLogin("useless", map[string]any{"token_policies": "default"})
	count := func() int {
		secret, err := s.Client().Logical().List("auth/token/accessors")
		if err != nil {
			t.Fatal(err)
		}
		return len(secret.Data["keys"].([]any))
	}
	before := count()
	opts := rootOptions(s)
	opts.Auth = Auth{Method: AppRole, Role: roleID, SecretID: Secret(s.SecretID("useless", false))}
	v, _ := newVault(t, opts)
	if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "policy allows this path") {
		t.Errorf("problem %v", err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if after := count(); after > before {
		t.Errorf("%d tokens left behind", after-before)
	}
}

func TestVaultKubernetes(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	k := vaulttest.StartKubernetes(t)
	s.KubernetesLogin(k, "gateway", map[string]any{
		"bound_service_account_names": "gateway", "bound_service_account_namespaces": "ingest",
		"token_policies": "gateway", "token_ttl": "4s", "token_max_ttl": "5s",
	})
	first := k.Issue(t, "ingest", "gateway")
	opts := rootOptions(s)
	opts.Auth = Auth{Method: Kubernetes, Role: "gateway", File: secretFile(t, first+"\n")}
	v, logs := openVault(t, opts)
	token := v.client.Token()
	staysGood(t, v, time.Second)

	// The kubelet replaces the JWT, and the old one ends.
	second := k.Issue(t, "ingest", "gateway")
	vaulttest.WriteFile(t, opts.Auth.File, second)
	k.Revoke(first)
	staysGood(t, v, 6*time.Second)
	if v.client.Token() == token {
		t.Error("the token is used past its end")
	}
	noSecrets(t, logs, first, second, token, v.client.Token())
}

func TestVaultKubernetesRefused(t *testing.T) {
	t.Parallel()
	s := startVault(t)
	k := vaulttest.StartKubernetes(t)
	s.KubernetesLogin(k, "gateway", map[string]any{
		"bound_service_account_names": "gateway", "bound_service_account_namespaces": "ingest", "token_policies": "gateway",
	})
	ended := k.Issue(t, "ingest", "gateway")
	k.Revoke(ended)
	for name, tt := range map[string]struct{ file, want string }{
		"another service account":   {secretFile(t, k.Issue(t, "ingest", "other")), "logging in: Vault answered 403"},
		"another namespace":         {secretFile(t, k.Issue(t, "other", "gateway")), "logging in: Vault answered 403"},
		"a JWT that has been ended": {secretFile(t, ended), "logging in: Vault answered 403"},
		"no file":                   {filepath.Join(t.TempDir(), "none"), "reading the service account token"},
		"empty file":                {secretFile(t, " \n"), "reading the service account token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := rootOptions(s)
			opts.Auth = Auth{Method: Kubernetes, Role: "gateway", File: tt.file}
			v, _ := newVault(t, opts)
			if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("problem %v", err)
			}
		})
	}
}

// The gateway starts while Vault is down, and is ready when Vault is.
func TestVaultStartsBeforeVault(t *testing.T) {
	t.Parallel()
	s := vaulttest.StartOnDisk(t)
	s.Policy("gateway", policy(t, "vault-policy.hcl"))
	s.Kill()
	v, logs := newVault(t, rootOptions(s))
	if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "cannot be reached") {
		t.Errorf("problem %v", err)
	}
	for range 3 {
		if err := lookup(t, v, sourcetest.Digest(1)); !errors.Is(err, keysync.ErrUnavailable) || !strings.Contains(err.Error(), "cannot be reached") {
			t.Error(err)
		}
	}
	s.Restart()
	comesBack(t, v)
	await.That(t, "the problem is over", func() bool { return v.Problem() == nil })
	if n := logs.FilterLevelExact(zapcore.ErrorLevel).Len(); n != 1 {
		t.Errorf("%d errors logged for one outage: %v", n, logs.All())
	}
}

func TestVaultSealed(t *testing.T) {
	t.Parallel()
	s := vaulttest.Start(t, "-no-unseal")
	v, _ := newVault(t, rootOptions(s))
	if err := v.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "unseal it") {
		t.Errorf("problem %v", err)
	}
}

// A token that can only be renewed for less and less is given up before it ends.
func TestVaultRenewalForLess(t *testing.T) {
	t.Parallel()
	var renewals atomic.Int64
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/auth/token/renew-self" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		renewals.Add(1)
		fmt.Fprint(w, `{"auth":{"client_token":"t","lease_duration":1,"renewable":true}}`)
	}))
	defer fake.Close()
	v, _ := newVault(t, Options{Address: fake.URL, Auth: Auth{Token: "t"}})
	began := time.Now()
	v.keep(t.Context(), grant{ttl: 2100 * time.Millisecond, renewable: true})
	if n, took := renewals.Load(), time.Since(began); n != 1 || took > 2*time.Second {
		t.Errorf("given up after %d renewals and %v", n, took)
	}
}

func TestRetryDelay(t *testing.T) {
	t.Parallel()
	for n, want := range []time.Duration{
		250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second,
		10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second,
	} {
		low, high := time.Hour, time.Duration(0)
		for range 1000 {
			d := retryDelay(n)
			low, high = min(low, d), max(high, d)
		}
		if low < want/2 || high > want*3/2 || high-low < want/2 {
			t.Errorf("after %d failures %v to %v, want about %v", n, low, high, want)
		}
	}
	if d := retryDelay(1_000_000); d > 15*time.Second {
		t.Errorf("after many failures %v", d)
	}
}

func TestRenewAfter(t *testing.T) {
	t.Parallel()
	for _, ttl := range []time.Duration{4 * time.Second, time.Minute, 768 * time.Hour} {
		for range 1000 {
			if d := renewAfter(ttl); d < ttl/2 || d > ttl*3/4 {
				t.Fatalf("a token of %v is renewed after %v", ttl, d)
			}
		}
	}
	if d := renewAfter(time.Millisecond); d != minRenew {
		t.Errorf("a very short token is renewed after %v", d)
	}
}
