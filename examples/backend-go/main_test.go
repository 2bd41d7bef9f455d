package main

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// gate stands in for the real one: it signs, and serves a key set.
type gate struct {
	url  string
	up   atomic.Bool
	ed   ed25519.PrivateKey
	ec   *ecdsa.PrivateKey
	jwks []byte
}

func newGate(t *testing.T) *gate {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b64 := base64.RawURLEncoding.EncodeToString
	coordinate := func(i *big.Int) string { return b64(i.FillBytes(make([]byte, 32))) }
	g := &gate{ed: ed, ec: ec, jwks: fmt.Appendf(nil, `{"keys":[
		{"kty":"OKP","crv":"Ed25519","kid":"ed","alg":"EdDSA","use":"sig","x":%q},
		{"kty":"EC","crv":"P-256","kid":"ec","alg":"ES256","use":"sig","x":%q,"y":%q}]}`,
		b64(ed.Public().(ed25519.PublicKey)), coordinate(ec.X), coordinate(ec.Y))}
	g.up.Store(true)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if !g.up.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(g.jwks)
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *gate) verifier(t *testing.T, algorithms ...string) *verifier {
	t.Helper()
	v, err := newVerifier(t.Context(), g.url, "X-Ingest-Identity", "ingest-auth", "backend", algorithms)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func claims() jwt.MapClaims {
	now := time.Now()
	return jwt.MapClaims{
		"iss": "ingest-auth", "aud": "backend", "sub": "acct_1", "jti": "1",
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"key_id": "key_1", "mode": "test", "res": map[string]any{"project": "p1"},
	}
}

func token(t *testing.T, m jwt.SigningMethod, kid string, key any, c jwt.MapClaims) string {
	t.Helper()
	tok := jwt.NewWithClaims(m, c)
	tok.Header["kid"] = kid
	s, err := tok.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// quiet shows what the backend logs only if the test fails.
func quiet(t *testing.T) {
	t.Helper()
	before := slog.Default()
	log.SetOutput(t.Output())
	slog.SetDefault(slog.New(slog.NewTextHandler(t.Output(), nil)))
	t.Cleanup(func() {
		slog.SetDefault(before)
		log.SetOutput(os.Stderr)
	})
}

func get(h http.Handler, assertions ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v1/a%2Fb?x=1", nil)
	for _, a := range assertions {
		r.Header.Add("X-Ingest-Identity", a)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestBackend(t *testing.T) {
	quiet(t)
	g := newGate(t)
	good := func() string { return token(t, jwt.SigningMethodEdDSA, "ed", g.ed, claims()) }
	with := func(name string, value any) string {
		c := claims()
		c[name] = value
		if value == nil {
			delete(c, name)
		}
		return token(t, jwt.SigningMethodEdDSA, "ed", g.ed, c)
	}
	confused := func(kid string, public crypto.PublicKey) string {
		raw, _ := json.Marshal(public)
		if ed, ok := public.(ed25519.PublicKey); ok {
			raw = ed
		}
		return token(t, jwt.SigningMethodHS256, kid, raw, claims())
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name       string
		assertions []string
		want       int
	}{
		{"EdDSA", []string{good()}, 200},
		{"ES256", []string{token(t, jwt.SigningMethodES256, "ec", g.ec, claims())}, 200},
		{"audience in a list", []string{with("aud", []string{"other", "backend"})}, 200},
		{"no header", nil, 401},
		{"empty header", []string{""}, 401},
		{"header twice", []string{good(), good()}, 401},
		{"two in one header", []string{good() + ", " + good()}, 401},
		{"garbage", []string{"a.b.c"}, 401},
		{"none", []string{token(t, jwt.SigningMethodNone, "ed", jwt.UnsafeAllowNoneSignatureType, claims())}, 401},
		{"HS256 with the Ed25519 public key", []string{confused("ed", g.ed.Public())}, 401},
		{"HS256 with the P-256 public key", []string{confused("ec", g.ec.Public())}, 401},
		{"key of a stranger", []string{token(t, jwt.SigningMethodEdDSA, "ed", stranger, claims())}, 401},
		{"ES256 under the kid of the Ed25519 key", []string{token(t, jwt.SigningMethodES256, "ed", g.ec, claims())}, 401},
		{"changed", []string{good() + "A"}, 401},
		{"other audience", []string{with("aud", "other")}, 401},
		{"no audience", []string{with("aud", nil)}, 401},
		{"other issuer", []string{with("iss", "other")}, 401},
		{"no issuer", []string{with("iss", nil)}, 401},
		{"expired", []string{with("exp", time.Now().Add(-time.Minute).Unix())}, 401},
		{"no expiry", []string{with("exp", nil)}, 401},
		{"no key", []string{with("key_id", nil)}, 401},
		{"only a report", []string{with("verdict", "invalid_key")}, 401},
	}
	v := g.verifier(t, "EdDSA", "ES256")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if w := get(v, tt.assertions...); w.Code != tt.want {
				t.Errorf("status %d, want %d: %s", w.Code, tt.want, w.Body)
			}
		})
	}
}

func TestAnswer(t *testing.T) {
	quiet(t)
	g := newGate(t)
	w := get(g.verifier(t, "EdDSA"), token(t, jwt.SigningMethodEdDSA, "ed", g.ed, claims()))
	var got map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"key_id": "key_1", "account": "acct_1", "mode": "test", "res": map[string]any{"project": "p1"},
		"method": "POST", "path": "/v1/a%2Fb",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("answer %v, want %v", got, want)
	}
}

func TestAlgorithmAllowList(t *testing.T) {
	quiet(t)
	g := newGate(t)
	if w := get(g.verifier(t, "EdDSA"), token(t, jwt.SigningMethodES256, "ec", g.ec, claims())); w.Code != 401 {
		t.Errorf("ES256 although only EdDSA is allowed: status %d", w.Code)
	}
	for _, a := range []string{"HS256", "none", ""} {
		if _, err := newVerifier(t.Context(), g.url, "X", "i", "a", []string{a}); err == nil {
			t.Errorf("algorithm %q can be allowed", a)
		}
	}
}

// The backend may start before the gate, and learns of new keys by itself.
func TestKeySetArrivesLater(t *testing.T) {
	quiet(t)
	g := newGate(t)
	g.up.Store(false)
	v := g.verifier(t, "EdDSA")
	g.up.Store(true)
	if w := get(v, token(t, jwt.SigningMethodEdDSA, "ed", g.ed, claims())); w.Code != 200 {
		t.Errorf("status %d, want 200", w.Code)
	}
}

func TestRefusalDoesNotLogTheAssertion(t *testing.T) {
	quiet(t)
	var out bytes.Buffer
	log.SetOutput(&out)
	g := newGate(t)
	c := claims()
	c["aud"] = "other"
	assertion := token(t, jwt.SigningMethodEdDSA, "ed", g.ed, c)
	get(g.verifier(t, "EdDSA"), assertion)
	if out.Len() == 0 || bytes.Contains(out.Bytes(), []byte(assertion[len(assertion)-20:])) {
		t.Errorf("log: %q", &out)
	}
}

func TestEmptySettings(t *testing.T) {
	for i := range 4 {
		args := []string{"http://localhost:1", "X-Ingest-Identity", "issuer", "audience"}
		args[i] = ""
		if _, err := newVerifier(context.Background(), args[0], args[1], args[2], args[3], []string{"EdDSA"}); err == nil {
			t.Errorf("empty setting %d was accepted", i)
		}
	}
}
