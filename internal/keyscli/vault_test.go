package keyscli

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What goes wrong with Vault is said with what to do about it.
func TestVaultAdvice(t *testing.T) {
	s, srv := vaultShell(t)
	s.newKey(t, "key_1")
	srv.Policy("reader", `path "secret/data/ingest/keys/+/+" { capabilities = ["read"] }`)
	srv.Write("sys/mounts/old", map[string]any{"type": "kv", "options": map[string]any{"version": "1"}})
	for name, tt := range map[string]struct {
		env  map[string]string
		args []string
		want []string
	}{
		"no permission to write": {map[string]string{"VAULT_TOKEN": token(t, srv, "reader")}, []string{"create", "--account", "acme"}, []string{"403", "docs/vault-policy-admin.hcl"}},
		"no permission to list":  {map[string]string{"VAULT_TOKEN": token(t, srv, "reader")}, []string{"list"}, []string{"403", "docs/vault-policy-admin.hcl"}},
		"bad token":              {map[string]string{"VAULT_TOKEN": "s.none"}, []string{"list"}, []string{"403", "token"}},
		"KV version 1":           {map[string]string{"VAULT_TOKEN": srv.Root}, []string{"list", "--vault-mount", "old"}, []string{"not a KV engine of version 2", "vault kv enable-versioning old"}},
		"no such mount":          {map[string]string{"VAULT_TOKEN": srv.Root}, []string{"list", "--vault-mount", "none"}, []string{"none", "mount"}},
		"not a path":             {nil, []string{"list", "--vault-mount", "a b"}, []string{`"a b" is not a path`}},
		"no such login":          {nil, []string{"list", "--vault-auth", "x"}, []string{"use token, token_file, approle or kubernetes"}},
		"nobody there":           {map[string]string{"VAULT_ADDR": "http://127.0.0.1:1"}, []string{"list"}, []string{"cannot be reached"}},
	} {
		t.Run(name, func(t *testing.T) {
			for name, value := range tt.env {
				t.Setenv(name, value)
			}
			r := s.run(t, "", tt.args...)
			if r.err == nil || r.out != "" {
				t.Fatalf("%q, %v", r.out, r.err)
			}
			wantText(t, r.log, tt.want...)
			wantNone(t, r.log, "iak_", srv.Root)
		})
	}
	t.Run("sealed", func(t *testing.T) {
		srv.Seal()
		r := s.run(t, "", "create", "--account", "acme")
		if r.err == nil || r.out != "" {
			t.Fatalf("%q, %v", r.out, r.err)
		}
		wantText(t, r.log, "unseal it")
	})
}

// proxied starts a proxy in front of Vault that changes answers.
func proxied(t *testing.T, target string, change func(*http.Response) error) {
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(u)
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	proxy.Transport, proxy.ModifyResponse = transport, change
	srv := httptest.NewServer(proxy)
	t.Cleanup(srv.Close)
	t.Setenv("VAULT_ADDR", srv.URL)
}

func answer(resp *http.Response, status int, body string) {
	resp.Body.Close()
	resp.StatusCode, resp.Body, resp.ContentLength = status, io.NopCloser(strings.NewReader(body)), int64(len(body))
	resp.Header.Del("Content-Length")
}

func TestWrongNamespace(t *testing.T) {
	s, srv := vaultShell(t)
	// What Vault Enterprise answers: the edition at hand has no namespaces.
	proxied(t, srv.URL(), func(resp *http.Response) error {
		if resp.Request.Header.Get("X-Vault-Namespace") == "team/" {
			answer(resp, http.StatusForbidden, `{"errors":["permission denied"]}`)
		}
		return nil
	})
	t.Setenv("VAULT_NAMESPACE", "team/")
	r := s.run(t, "", "list")
	if r.err == nil {
		t.Fatal("no error")
	}
	wantText(t, r.log, "VAULT_NAMESPACE is set")
}

func TestClockSkew(t *testing.T) {
	s, srv := vaultShell(t)
	ahead := time.Duration(0)
	proxied(t, srv.URL(), func(resp *http.Response) error {
		if !strings.HasSuffix(resp.Request.URL.Path, "/sys/health") {
			return nil
		}
		b, err := json.Marshal(map[string]any{"initialized": true, "server_time_utc": time.Now().Add(ahead).Unix()})
		answer(resp, http.StatusOK, string(b))
		return err
	})
	for _, tt := range []struct {
		ahead time.Duration
		want  string
	}{
		{0, ""},
		{5 * time.Minute, "behind Vault's"},
		{-5 * time.Minute, "ahead of Vault's"},
	} {
		ahead = tt.ahead
		r := s.must(t, "", "list")
		if (tt.want == "") != (r.log == "") || !strings.Contains(r.log, tt.want) {
			t.Errorf("Vault is %v ahead: %q", tt.ahead, r.log)
		}
	}
}

// Without VAULT_TOKEN, the token is used that `vault login` has left.
func TestTokenOfVaultLogin(t *testing.T) {
	s, _ := vaultShell(t)
	home := t.TempDir()
	if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte(os.Getenv("VAULT_TOKEN")), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", home)
	t.Setenv("VAULT_TOKEN", "")
	s.newKey(t, "key_1")
}

func TestPrefix(t *testing.T) {
	s, srv := vaultShell(t)
	t.Setenv("VAULT_TOKEN", srv.Root)
	s.place = []string{"--vault", "--vault-prefix", "other/place"}
	s.newKey(t, "key_1")
	if n := len(s.records(t)); n != 0 {
		t.Errorf("%d records at the default place", n)
	}
	wantText(t, s.must(t, "", "list").out, "key_1")
}
