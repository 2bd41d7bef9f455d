package vaulttest

import (
	"os"
	"testing"
)

// KubernetesLogin sets up the Kubernetes login at auth/kubernetes/ with one role.
// data are the settings of the role.
func (s *Server) KubernetesLogin(k *Kubernetes, role string, data map[string]any) {
	s.t.Helper()
	s.Write("sys/auth/kubernetes", map[string]any{"type": "kubernetes"})
	s.Write("auth/kubernetes/config", map[string]any{
		"kubernetes_host": k.URL, "kubernetes_ca_cert": k.CACert, "disable_local_ca_jwt": true,
	})
	s.Write("auth/kubernetes/role/"+role, data)
}

// AppRoleLogin sets up the AppRole login at auth/approle/ with one role, and
// returns its role ID. data are the settings of the role.
func (s *Server) AppRoleLogin(role string, data map[string]any) (roleID string) {
	s.t.Helper()
	s.Write("sys/auth/approle", map[string]any{"type": "approle"})
	s.Write("auth/approle/role/"+role, data)
	secret, err := s.Client().Logical().Read("auth/approle/role/" + role + "/role-id")
	if err != nil {
		s.t.Fatal(err)
	}
	return secret.Data["role_id"].(string)
}

// SecretID returns a new secret ID of a role, or with wrap a wrapping token for
// it.
func (s *Server) SecretID(role string, wrap bool) string {
	s.t.Helper()
	c := s.Client()
	if wrap {
		c.SetWrappingLookupFunc(func(string, string) string { return "60s" })
	}
	secret, err := c.Logical().Write("auth/approle/role/"+role+"/secret-id", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if wrap {
		return secret.WrapInfo.Token
	}
	return secret.Data["secret_id"].(string)
}

// WriteFile replaces a file at once, as those do that hand out credentials.
func WriteFile(t testing.TB, path, content string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}
