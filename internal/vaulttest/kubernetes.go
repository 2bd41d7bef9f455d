package vaulttest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// Kubernetes is a stub of the one API that Vault's Kubernetes login asks:
// TokenReview, over TLS.
type Kubernetes struct {
	URL    string
	CACert string // PEM

	key    *ecdsa.PrivateKey
	mu     sync.Mutex
	tokens map[string]string // JWT → namespace:name of the service account
}

// StartKubernetes starts the stub.
func StartKubernetes(t testing.TB) *Kubernetes {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	k := &Kubernetes{key: key, tokens: make(map[string]string)}
	srv := httptest.NewTLSServer(http.HandlerFunc(k.review))
	t.Cleanup(srv.Close)
	k.URL = srv.URL
	k.CACert = string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}))
	return k
}

// Issue returns a JWT for a service account.
func (k *Kubernetes) Issue(t testing.TB, namespace, name string) string {
	t.Helper()
	claims := map[string]any{
		"iss":                                    "kubernetes/serviceaccount",
		"sub":                                    fmt.Sprintf("system:serviceaccount:%s:%s", namespace, name),
		"iat":                                    time.Now().Unix(),
		"jti":                                    rand.Text(),
		"kubernetes.io/serviceaccount/namespace": namespace,
		"kubernetes.io/serviceaccount/service-account.name": name,
		"kubernetes.io/serviceaccount/service-account.uid":  "uid-" + name,
	}
	token := k.sign(t, claims)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tokens[token] = namespace + ":" + name
	return token
}

// sign makes a JWT with ES256.
func (k *Kubernetes) sign(t testing.TB, claims map[string]any) string {
	t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	signed := encode([]byte(`{"alg":"ES256","typ":"JWT"}`)) + "." + encode(payload)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, k.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	sig := make([]byte, 64)
	r.FillBytes(sig[:32])
	s.FillBytes(sig[32:])
	return signed + "." + encode(sig)
}

// Revoke makes a JWT invalid.
func (k *Kubernetes) Revoke(token string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tokens, token)
}

func (k *Kubernetes) review(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" {
		http.NotFound(w, r)
		return
	}
	var in struct {
		Spec struct {
			Token     string   `json:"token"`
			Audiences []string `json:"audiences"`
		} `json:"spec"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status := map[string]any{"authenticated": false}
	k.mu.Lock()
	account, ok := k.tokens[in.Spec.Token]
	k.mu.Unlock()
	if ok {
		_, name, _ := strings.Cut(account, ":")
		status = map[string]any{
			"authenticated": true,
			"audiences":     in.Spec.Audiences,
			"user":          map[string]any{"username": "system:serviceaccount:" + account, "uid": "uid-" + name, "groups": []string{"system:serviceaccounts"}},
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status,
	})
}
