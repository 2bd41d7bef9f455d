package verify_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

func TestAssertions(t *testing.T) {
	ed, ec := newKey(t, "EdDSA", "ed"), newKey(t, "ES256", "ec")
	stranger, unknown := newKey(t, "EdDSA", "ed"), newKey(t, "EdDSA", "unknown")
	twin := newKey(t, "ES256", "ed") // has the name of the other key
	good := ed.token(claims())
	with := func(name string, value any) string { return ed.token(claims().with(name, value)) }
	header := func(name string, value any) string {
		return ed.tokenOf(ed.header().with(name, value), encode(claims()))
	}
	raw := func(edit func(string) string) string {
		return ed.tokenOf(ed.header(), []byte(edit(string(encode(claims())))))
	}
	parts := strings.Split(good, ".")
	in := func(d time.Duration) int64 { return time.Now().Add(d).Unix() }
	const ok, missing, invalid = "", verify.CodeMissing, verify.CodeInvalid
	tests := []struct {
		name       string
		assertions []string
		want       string
	}{
		{"EdDSA", []string{good}, ok},
		{"ES256", []string{ec.token(claims())}, ok},
		{"one of the audiences", []string{with("aud", []string{"other", "backend"})}, ok},
		{"allowed by a gate that reports", []string{with("verdict", "allowed")}, ok},
		{"expired within the leeway", []string{with("exp", in(-2*time.Second))}, ok},
		{"early within the leeway", []string{with("nbf", in(2*time.Second))}, ok},
		{"exp with a fraction", []string{with("exp", float64(in(time.Minute))+0.5)}, ok},
		{"more claims", []string{with("more", []any{1, nil})}, ok},

		{"no header", nil, missing},
		{"empty header", []string{""}, invalid},
		{"header twice", []string{good, good}, invalid},
		{"two in one header", []string{good + ", " + good}, invalid},
		{"bearer scheme", []string{"Bearer " + good}, invalid},
		{"JSON serialization", []string{`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`}, invalid},
		{"huge", []string{with("more", strings.Repeat("x", 16<<10))}, invalid},

		{"none", []string{b64(encode(members{"alg": "none", "kid": "ed", "typ": "JWT"})) + "." + parts[1] + "."}, invalid},
		{"none, with a signature", []string{b64(encode(members{"alg": "none", "kid": "ed", "typ": "JWT"})) + "." + parts[1] + "." + parts[2]}, invalid},
		{"no algorithm", []string{header("alg", nil)}, invalid},
		{"no signature", []string{parts[0] + "." + parts[1] + "."}, invalid},
		{"changed claims", []string{parts[0] + "." + b64(encode(claims().with("sub", "acct_2"))) + "." + parts[2]}, invalid},
		{"changed header", []string{b64(encode(ed.header().with("more", 1))) + "." + parts[1] + "." + parts[2]}, invalid},
		{"HS256 with an Ed25519 public key", []string{ed.confused(rawPublic(ed)[1])}, invalid},
		{"HS256 with the JWK of one", []string{ed.confused(rawPublic(ed)[0])}, invalid},
		{"HS256 with a P-256 public key", []string{ec.confused(rawPublic(ec)[1])}, invalid},
		{"key of a stranger", []string{stranger.token(claims())}, invalid},
		{"key of a stranger in the header", []string{stranger.tokenOf(stranger.header().with("jwk", stranger.jwk()), encode(claims()))}, invalid},
		{"unknown kid", []string{unknown.token(claims())}, invalid},
		{"no kid", []string{header("kid", nil)}, invalid},
		{"ES256 under the kid of an Ed25519 key", []string{twin.token(claims())}, invalid},
		{"EdDSA signature called ES256", []string{header("alg", "ES256")}, invalid},
		{"crit that is unknown", []string{header("crit", []string{"more"})}, invalid},
		{"crit that a library knows", []string{ed.tokenOf(ed.header().with("crit", []string{"b64"}).with("b64", true), encode(claims()))}, invalid},
		{"other typ", []string{header("typ", "at+jwt")}, invalid},
		{"no typ", []string{header("typ", nil)}, invalid},

		{"other issuer", []string{with("iss", "other")}, invalid},
		{"no issuer", []string{with("iss", nil)}, invalid},
		{"issuer in a list", []string{with("iss", []string{"ingest-auth"})}, invalid},
		{"other audience", []string{with("aud", "other")}, invalid},
		{"other audiences", []string{with("aud", []string{"other", "backends"})}, invalid},
		{"null among audiences", []string{with("aud", []any{"backend", nil})}, invalid},
		{"no audience", []string{with("aud", nil)}, invalid},
		{"expired", []string{with("exp", in(-time.Minute))}, invalid},
		{"no expiry", []string{with("exp", nil)}, invalid},
		{"expiry is text", []string{with("exp", "9999999999")}, invalid},
		{"expiry is no time", []string{raw(func(s string) string { return strings.Replace(s, `"exp":`, `"exp":1e300,"x":`, 1) })}, invalid},
		{"not yet", []string{with("nbf", in(time.Minute))}, invalid},
		{"no key ID", []string{with("key_id", nil)}, invalid},
		{"resource is a number", []string{with("res", members{"project": 1})}, invalid},
		{"duplicate member", []string{raw(func(s string) string { return `{"iss":"other",` + s[1:] })}, invalid},
		{"name in another case", []string{raw(func(s string) string { return strings.Replace(s, `"exp"`, `"EXP"`, 1) })}, invalid},
		{"data after the claims", []string{raw(func(s string) string { return s + "{}" })}, invalid},
		{"claims are a list", []string{raw(func(s string) string { return "[" + s + "]" })}, invalid},
		{"claims are null", []string{raw(func(string) string { return "null" })}, invalid},
		{"refused by a gate that reports", []string{with("verdict", "invalid_key")}, verify.CodeNotAllowed},
		{"verdict in another case", []string{with("verdict", "Allowed")}, verify.CodeNotAllowed},
	}
	g := newGate(ed, ec)
	v := newVerifier(t, g.options())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := code(t, v, post("", tt.assertions...)); got != tt.want {
				t.Errorf("code %q, want %q", got, tt.want)
			}
		})
	}
}

func TestIdentity(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	exp := time.Now().Add(time.Minute).Unix()
	var got *verify.Identity
	h := newVerifier(t, newGate(k).options()).Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got, _ = verify.FromContext(r.Context())
	}))
	h.ServeHTTP(httptest.NewRecorder(), post("", k.token(claims().with("exp", exp))))
	want := &verify.Identity{
		KeyID: "key_1", Account: "acct_1", Mode: "live", Env: "production", ID: "1",
		Scopes:    []string{"events:write", "events:read"},
		Resources: map[string][]string{"project": {"p1"}, "datasource": {"d1", "d2"}},
		ExpiresAt: time.Unix(exp, 0),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("identity\n%+v, want\n%+v", got, want)
	}
	if id, ok := verify.FromContext(t.Context()); id != nil || ok {
		t.Error("a context without an identity has one")
	}
}

// Servers of other languages take X_Ingest_Identity for X-Ingest-Identity.
func TestAliasesOfTheHeaderAreIgnored(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	v := newVerifier(t, newGate(k).options())
	for _, alias := range []string{"X_Ingest_Identity", "X.Ingest.Identity"} {
		r := post("")
		r.Header.Set(alias, k.token(claims()))
		if got := code(t, v, r); got != verify.CodeMissing {
			t.Errorf("%s alone: code %q", alias, got)
		}
		r.Header.Set("X-Ingest-Identity", k.token(claims()))
		r.Header.Set(alias, "forged")
		if got := code(t, v, r); got != "" {
			t.Errorf("%s beside the header: code %q", alias, got)
		}
	}
}

func TestHS256(t *testing.T) {
	k := newKey(t, "HS256", "")
	v := newVerifier(t, verify.Options{Secret: k.private.([]byte), Audience: "backend"})
	good := k.tokenOf(k.header().with("kid", nil), encode(claims()))
	if got := code(t, v, post("", good)); got != "" {
		t.Errorf("good: code %q", got)
	}
	other := signingKey{"HS256", "", []byte("another secret of at least 32 bytes")}
	for name, token := range map[string]string{
		"another secret": other.token(claims()),
		"EdDSA":          newKey(t, "EdDSA", "ed").token(claims()),
		"HS512 by name":  k.tokenOf(k.header().with("alg", "HS512"), encode(claims())),
	} {
		if got := code(t, v, post("", token)); got != verify.CodeInvalid {
			t.Errorf("%s: code %q", name, got)
		}
	}
}

func TestAlgorithmsCanBeNarrowed(t *testing.T) {
	ed, ec := newKey(t, "EdDSA", "ed"), newKey(t, "ES256", "ec")
	o := newGate(ed, ec).options()
	o.Algorithms = []string{"ES256"}
	v := newVerifier(t, o)
	if got := code(t, v, post("", ec.token(claims()))); got != "" {
		t.Errorf("ES256: code %q", got)
	}
	if got := code(t, v, post("", ed.token(claims()))); got != verify.CodeInvalid {
		t.Errorf("EdDSA: code %q", got)
	}
}

func TestOtherNames(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	o := newGate(k).options()
	o.Header, o.Issuer, o.Audience = "x-who", "gate", "events"
	v := newVerifier(t, o)
	r := post("")
	r.Header.Set("X-Who", k.token(claims().with("iss", "gate").with("aud", "events")))
	if got := code(t, v, r); got != "" {
		t.Errorf("code %q", got)
	}
	r.Header.Set("X-Who", k.token(claims()))
	if got := code(t, v, r); got != verify.CodeInvalid {
		t.Errorf("the default names are accepted: code %q", got)
	}
}

func TestAcceptReported(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	o := newGate(k).options()
	o.AcceptReported, o.Bind = true, verify.BindBody
	v := newVerifier(t, o)
	for name, verdict := range map[string]members{
		"bound":                 bound("POST", "/v1/a%2Fb", "x=1", "").with("verdict", "missing_key").with("key_id", nil),
		"body that is not read": bound("POST", "/v1/a%2Fb", "x=1", "").with("verdict", "body_too_large").with("hbd", nil),
	} {
		id, err := v.Verify(post("", k.token(verdict)))
		if err != nil || id.Verdict != verdict["verdict"] {
			t.Errorf("%s: %+v, %v", name, id, err)
		}
	}
	for name, token := range map[string]string{
		"allowed without a key":   k.token(bound("POST", "/v1/a%2Fb", "x=1", "").with("verdict", "allowed").with("key_id", nil)),
		"allowed without binding": k.token(claims().with("verdict", "allowed")),
		"expired":                 k.token(claims().with("verdict", "missing_key").with("exp", 1)),
		"other body":              k.token(bound("POST", "/v1/a%2Fb", "x=1", "more").with("verdict", "missing_key")),
	} {
		if got := code(t, v, post("", token)); got != verify.CodeInvalid {
			t.Errorf("%s: code %q", name, got)
		}
	}
}

// Keys in the set that must not be used, and what else may be in a set.
func TestUnusableKeys(t *testing.T) {
	good, ed := newKey(t, "EdDSA", "good"), newKey(t, "EdDSA", "ed")
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, jwk := range map[string]members{
		"for encryption":      ed.jwk().with("use", "enc"),
		"for another purpose": ed.jwk().with("alg", "ES256"),
		"on another curve":    ed.jwk().with("crv", "Ed448"),
		"of another type":     ed.jwk().with("kty", "AKP"),
		"without a name":      ed.jwk().with("kid", nil),
		"that is broken":      ed.jwk().with("x", "AA"),
		"that is a secret":    {"kty": "oct", "kid": "ed", "k": b64([]byte("a secret"))},
		"on P-384":            signingKey{"ES256", "ed", p384}.jwk(),
	} {
		t.Run(name, func(t *testing.T) {
			g := newGate(good)
			g.keys = append(g.keys, jwk)
			v := newVerifier(t, g.options())
			if got := code(t, v, post("", good.token(claims()))); got != "" {
				t.Fatalf("the good key beside it: code %q", got)
			}
			if got := code(t, v, post("", ed.token(claims()))); got != verify.CodeInvalid {
				t.Errorf("code %q", got)
			}
		})
	}
	p384Token := signingKey{"ES256", "p384", p384}
	g := newGate(good, p384Token)
	if got := code(t, newVerifier(t, g.options()), post("", p384Token.token(claims()))); got != verify.CodeInvalid {
		t.Errorf("P-384 used for ES256: code %q", got)
	}
}

func TestDefaultAnswer(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	g := newGate(k)
	g.fail(http.StatusBadGateway, nil)
	h := newVerifier(t, g.options()).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a refused request reached the handler")
	}))
	for _, tt := range []struct {
		request    *http.Request
		status     int
		body       string
		retryAfter string
	}{
		{post(""), 401, `{"code":"missing_assertion","error":"Unauthorized"}`, ""},
		{post("", "a.b.c"), 401, `{"code":"invalid_assertion","error":"Unauthorized"}`, ""},
		{post("", k.token(claims())), 503, `{"code":"keys_unavailable","error":"Service Unavailable"}`, "5"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, tt.request)
		if w.Code != tt.status || strings.TrimSpace(w.Body.String()) != tt.body || w.Header().Get("Retry-After") != tt.retryAfter {
			t.Errorf("%d %s, Retry-After %q; want %+v", w.Code, w.Body, w.Header().Get("Retry-After"), tt)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json" {
			t.Errorf("Content-Type %q", got)
		}
	}
}

func TestErrorHandler(t *testing.T) {
	o := newGate(newKey(t, "EdDSA", "ed")).options()
	o.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, err *verify.Error) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, err.Code)
	}
	w := httptest.NewRecorder()
	newVerifier(t, o).Handler(http.NotFoundHandler()).ServeHTTP(w, post(""))
	if w.Code != http.StatusTeapot || w.Body.String() != verify.CodeMissing {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// Errors end in logs, where a token would be good for a while.
func TestErrorsDoNotQuoteTheAssertion(t *testing.T) {
	k := newKey(t, "EdDSA", "ed")
	v := newVerifier(t, newGate(k).options())
	good := strings.Split(k.token(claims()), ".")
	for _, token := range []string{
		strings.Join(good, "!"), good[0] + "." + good[1] + "." + good[2] + "!", good[0] + "." + good[1] + "!." + good[2],
		good[0] + "!." + good[1] + "." + good[2], k.token(claims().with("aud", "other")), good[0] + "." + good[1] + ".AAAA",
	} {
		_, err := v.Verify(post("", token))
		if err == nil {
			t.Fatal("accepted")
		}
		for _, part := range good {
			if strings.Contains(err.Error(), part[:8]) {
				t.Errorf("%q quotes the assertion", err)
			}
		}
	}
}

func TestNewRefuses(t *testing.T) {
	secret := bytes.Repeat([]byte("s"), 32)
	for name, o := range map[string]verify.Options{
		"no audience":             {JWKS: jwksURL},
		"neither keys nor secret": {Audience: "a"},
		"keys and secret":         {Audience: "a", JWKS: jwksURL, Secret: secret},
		"short secret":            {Audience: "a", Secret: secret[:31]},
		"empty secret":            {Audience: "a", Secret: []byte{}},
		"HS256 with keys":         {Audience: "a", JWKS: jwksURL, Algorithms: []string{"EdDSA", "HS256"}},
		"EdDSA with a secret":     {Audience: "a", Secret: secret, Algorithms: []string{"EdDSA"}},
		"none":                    {Audience: "a", JWKS: jwksURL, Algorithms: []string{"none"}},
		"empty algorithm":         {Audience: "a", JWKS: jwksURL, Algorithms: []string{""}},
		"other scheme":            {Audience: "a", JWKS: "ftp://gate/jwks"},
		"unknown binding":         {Audience: "a", JWKS: jwksURL, Bind: "headers"},
		"negative limit":          {Audience: "a", JWKS: jwksURL, MaxBody: -1},
	} {
		if _, err := verify.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "ssss") {
			t.Errorf("%s: %q quotes the secret", name, err)
		}
	}
}
