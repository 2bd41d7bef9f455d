package verify_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

// This file signs tokens with nothing but the standard library.

const jwksURL = "http://gate.test/jwks"

// members is a JSON object.
type members map[string]any

// with returns a copy with one member changed, or left out if value is nil.
func (m members) with(name string, value any) members {
	c := maps.Clone(m)
	if value == nil {
		delete(c, name)
		return c
	}
	c[name] = value
	return c
}

// signingKey is a key with its name.
type signingKey struct {
	alg, kid string
	private  any // ed25519.PrivateKey, *ecdsa.PrivateKey or []byte
}

func newKey(tb testing.TB, alg, kid string) signingKey {
	tb.Helper()
	var private any
	var err error
	switch alg {
	case "EdDSA":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	case "ES256":
		private, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "HS256":
		private = []byte("a secret of at least 32 bytes, long enough")
	}
	if err != nil {
		tb.Fatal(err)
	}
	return signingKey{alg, kid, private}
}

func (k signingKey) header() members { return members{"alg": k.alg, "kid": k.kid, "typ": "JWT"} }

// token signs claims.
func (k signingKey) token(claims members) string { return k.tokenOf(k.header(), encode(claims)) }

// tokenOf signs any payload under any header.
func (k signingKey) tokenOf(header members, payload []byte) string {
	input := b64(encode(header)) + "." + b64(payload)
	return input + "." + b64(k.sign([]byte(input)))
}

func (k signingKey) sign(input []byte) []byte {
	sum := sha256.Sum256(input)
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(private, input)
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			panic(err)
		}
		size := size(private)
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	case []byte:
		mac := hmac.New(sha256.New, private)
		mac.Write(input)
		return mac.Sum(nil)
	}
	panic("unknown key")
}

// size is the length of a coordinate.
func size(k *ecdsa.PrivateKey) int { return (k.Curve.Params().BitSize + 7) / 8 }

// jwk is the public half.
func (k signingKey) jwk() members {
	jwk := members{"kid": k.kid, "alg": k.alg, "use": "sig"}
	switch private := k.private.(type) {
	case ed25519.PrivateKey:
		jwk["kty"], jwk["crv"], jwk["x"] = "OKP", "Ed25519", b64(private.Public().(ed25519.PublicKey))
	case *ecdsa.PrivateKey:
		size := size(private)
		jwk["kty"], jwk["crv"] = "EC", private.Curve.Params().Name
		jwk["x"], jwk["y"] = b64(private.X.FillBytes(make([]byte, size))), b64(private.Y.FillBytes(make([]byte, size)))
	}
	return jwk
}

// confused signs with the bytes of the public key as if they were a secret.
func (k signingKey) confused(public []byte) string {
	return signingKey{"HS256", k.kid, public}.token(claims())
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return b64(sum[:])
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// claims is what a gate says about a caller.
func claims() members {
	now := time.Now()
	return members{
		"iss": "ingest-auth", "aud": "backend", "sub": "acct_1", "jti": "1",
		"iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		"key_id": "key_1", "mode": "live", "env": "production", "scope": "events:write events:read",
		"res": members{"project": "p1", "datasource": []string{"d1", "d2"}},
	}
}

// bound is claims for a request to target with that body.
func bound(method, path, query, body string) members {
	c := claims()
	c["htm"], c["htp"], c["hqd"], c["hbd"] = method, path, digest(query), digest(body)
	return c
}

// gate serves a key set, as the transport of an HTTP client.
type gate struct {
	mu      sync.Mutex
	keys    []members
	maxAge  int                              // seconds
	respond func(*http.Request) (int, error) // status; the default is 200
	fetches int
}

func newGate(keys ...signingKey) *gate {
	g := &gate{maxAge: 600}
	g.publish(keys...)
	return g
}

func (g *gate) publish(keys ...signingKey) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.keys = nil
	for _, k := range keys {
		g.keys = append(g.keys, k.jwk())
	}
}

// fail makes the gate answer with a status or an error, or well again with 200.
func (g *gate) fail(status int, err error) {
	g.behave(func(*http.Request) (int, error) { return status, err })
}

func (g *gate) behave(respond func(*http.Request) (int, error)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.respond = respond
}

// fetched returns how often the key set was asked for since the last call.
func (g *gate) fetched() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.fetches
	g.fetches = 0
	return n
}

func (g *gate) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	g.fetches++
	respond, body, maxAge := g.respond, encode(members{"keys": g.keys}), g.maxAge
	g.mu.Unlock()
	status := http.StatusOK
	if respond != nil {
		var err error
		if status, err = respond(r); err != nil {
			return nil, err
		}
	}
	header := http.Header{"Cache-Control": {fmt.Sprintf("public, max-age=%d", maxAge)}}
	return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// options are those for this gate.
func (g *gate) options() verify.Options {
	return verify.Options{JWKS: jwksURL, Audience: "backend", Client: &http.Client{Transport: g}}
}

func newVerifier(tb testing.TB, o verify.Options) *verify.Verifier {
	tb.Helper()
	v, err := verify.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// post is a request to /v1/a%2Fb?x=1 with these assertions.
func post(body string, assertions ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/v1/a%2Fb?x=1", strings.NewReader(body))
	for _, a := range assertions {
		r.Header.Add("X-Ingest-Identity", a)
	}
	return r
}

// code returns the code with which a request is refused, or "" if it is not, and
// fails the test if a handler says otherwise.
func code(tb testing.TB, v *verify.Verifier, r *http.Request) string {
	tb.Helper()
	id, err := v.Verify(r)
	if err == nil {
		if id == nil {
			tb.Error("neither an identity nor an error")
		}
		return ""
	}
	if id != nil {
		tb.Errorf("%+v, although %v", id, err)
	}
	return err.(*verify.Error).Code
}

// check fails the test unless a request with a token of the key gets that code.
func check(t *testing.T, v *verify.Verifier, k signingKey, want string) {
	t.Helper()
	if got := code(t, v, post("", k.token(claims()))); got != want {
		t.Errorf("%s: code %q, want %q", k.kid, got, want)
	}
}

// rawPublic is the forms in which an attacker may take a public key for a secret.
func rawPublic(k signingKey) [][]byte {
	forms := [][]byte{encode(k.jwk())}
	switch public := k.private.(crypto.Signer).Public().(type) {
	case ed25519.PublicKey:
		forms = append(forms, public)
	case *ecdsa.PublicKey:
		forms = append(forms, elliptic.Marshal(public.Curve, public.X, public.Y))
	}
	return forms
}
