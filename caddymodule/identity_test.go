package caddymodule_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// jwk is a public key in the form of a JSON Web Key Set.
type jwk struct{ Kty, Crv, X, Y, Kid, Alg, D, K string }

// keySet fetches a JSON Web Key Set.
func keySet(t *testing.T, url string) map[string]jwk {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil { // the connection was that of an admin endpoint before
		resp, err = http.Get(url)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || got != "application/jwk-set+json" {
		t.Fatalf("%s: status %d, type %s", url, resp.StatusCode, got)
	}
	var set struct{ Keys []jwk }
	if err := json.NewDecoder(resp.Body).Decode(&set); err != nil {
		t.Fatal(err)
	}
	keys := make(map[string]jwk)
	for _, k := range set.Keys {
		if k.D != "" || k.K != "" {
			t.Fatalf("%s publishes a private key", url)
		}
		keys[k.Kid] = k
	}
	return keys
}

func unbase64(t *testing.T, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// verify checks a token with nothing but the standard library.
func verify(t *testing.T, token string, keys map[string]jwk, secret []byte) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("no JWT: %q", token)
	}
	var header struct{ Alg, Typ, Kid string }
	if err := json.Unmarshal(unbase64(t, parts[0]), &header); err != nil || header.Typ != "JWT" {
		t.Fatalf("header: %+v, %v", header, err)
	}
	signed, sig, k := []byte(parts[0]+"."+parts[1]), unbase64(t, parts[2]), keys[header.Kid]
	var ok bool
	switch header.Alg {
	case "EdDSA":
		ok = k.Alg == "EdDSA" && ed25519.Verify(unbase64(t, k.X), signed, sig)
	case "ES256":
		sum := sha256.Sum256(signed)
		pub := ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(unbase64(t, k.X)), Y: new(big.Int).SetBytes(unbase64(t, k.Y))}
		ok = k.Alg == "ES256" && len(sig) == 64 && ecdsa.Verify(&pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:]))
	case "HS256":
		mac := hmac.New(sha256.New, secret)
		mac.Write(signed)
		ok = len(secret) > 0 && hmac.Equal(mac.Sum(nil), sig)
	}
	if !ok {
		t.Fatalf("%s signature does not verify", header.Alg)
	}
	return gatetest.Claims(t, token)
}

func TestAssertion(t *testing.T) {
	secret := "a-shared-secret-of-at-least-32-bytes"
	t.Setenv("TEST_SIGNING_SECRET", secret)
	for algorithm, extra := range map[string]string{"EdDSA": "", "ES256": "", "HS256": "secret {env.TEST_SIGNING_SECRET}"} {
		t.Run(algorithm, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
			g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {
				"key_id": "key_a", "account": "acme", "mode": "test", "env": "staging", "scopes": []string{"a", "b"},
				"resources": map[string]any{"project": []string{"*"}, "environment": []string{"x", "y"}},
			}}))
			sign := "sign {\nalgorithm " + algorithm + "\n" + extra + "\nissuer me\naudience you\nttl 2m\nheader X-Caller\n}\nkeys file"
			g.Run(t, strings.Replace(options, "keys file", sign, 1)+`:{{gate}} {
				ingest_auth_jwks /jwks
				ingest_auth {
					resource project path /{project}/*
					resource environment body environment
				}
				reverse_proxy {{upstream}}
			}`)
			resp := g.Do(t, gatetest.Request{Target: "/p1/track", Header: http.Header{"X-Api-Key": {keyA}}, Body: `[{"environment":"x"},{"environment":"y"}]`})
			if resp.Status != http.StatusOK {
				t.Fatalf("status %d: %s", resp.Status, resp.Body)
			}
			claims := verify(t, up.One(t).Header.Get("X-Caller"), keySet(t, "http://"+g.Addr+"/jwks"), []byte(secret))
			verify(t, verifiable(t, g, up), keySet(t, "http://"+g.Admin+"/ingest_auth/jwks"), []byte(secret))
			for name, want := range map[string]any{"iss": "me", "aud": "you", "sub": "acme", "key_id": "key_a", "mode": "test", "env": "staging", "scope": "a b"} {
				if claims[name] != want {
					t.Errorf("%s: %v, want %v", name, claims[name], want)
				}
			}
			res, _ := json.Marshal(claims["res"])
			if string(res) != `{"environment":["x","y"],"project":"p1"}` {
				t.Errorf("res: %s", res)
			}
			if life := claims["exp"].(float64) - claims["iat"].(float64); life != 120 {
				t.Errorf("life of %v s", life)
			}
			if claims["jti"] == "" || claims["verdict"] != nil {
				t.Errorf("claims %v", claims)
			}
		})
	}
}

func verifiable(t *testing.T, g *gatetest.Gate, up *gatetest.Upstream) string {
	t.Helper()
	g.Do(t, gatetest.Request{Target: "/p2/track", Header: http.Header{"X-Api-Key": {keyA}}, Body: `{"environment":"x"}`})
	return up.One(t).Header.Get("X-Caller")
}

func TestAssertionIsUsedAgainForTheSameIdentityOnly(t *testing.T) {
	g, up := start(t, "resource project query project", map[string]gatetest.Record{
		keyA: {"resources": map[string]any{"project": []string{"*"}}},
		keyB: {"resources": map[string]any{"project": []string{"*"}}},
	})
	token := func(key, project string) string {
		g.Do(t, gatetest.Request{Target: "/?project=" + project, Header: http.Header{"X-Api-Key": {key}}})
		return up.One(t).Header.Get("X-Ingest-Identity")
	}
	first := token(keyA, "p1")
	if token(keyA, "p1") != first {
		t.Error("a new assertion for the same identity")
	}
	if token(keyA, "p2") == first || token(keyB, "p1") == first {
		t.Error("one assertion for different identities")
	}
}

func TestBind(t *testing.T) {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	for _, bind := range []string{"request", "body"} {
		t.Run(bind, func(t *testing.T) {
			g, up := start(t, "bind "+bind, map[string]gatetest.Record{keyA: {}})
			for _, req := range []gatetest.Request{
				{Target: "/a%20b?x=1&apiKey=" + keyA + "&y=2", Body: `{"token":"` + keyA + `","a":1}`},
				{Target: "/?apiKey=" + keyA},
				{Target: "/x", Header: http.Header{"Content-Type": {"image/png"}, "Content-Encoding": {"br"}, "X-Api-Key": {keyA}}, Body: "opaque"},
			} {
				if resp := g.Do(t, req); resp.Status != http.StatusOK {
					t.Fatalf("status %d: %s", resp.Status, resp.Body)
				}
				seen := up.One(t)
				claims := verify(t, seen.Header.Get("X-Ingest-Identity"), keySet(t, "http://"+g.Admin+"/ingest_auth/jwks"), nil)
				path, query, _ := strings.Cut(seen.URI, "?")
				want := map[string]any{"htm": seen.Method, "htp": path, "hqd": hash(query), "hbd": nil}
				if bind == "body" {
					want["hbd"] = hash(seen.Body)
				}
				for name, v := range want {
					if claims[name] != v {
						t.Errorf("%s: %v, want %v", name, claims[name], v)
					}
				}
			}
		})
	}
}

func TestPlaceholdersAndLogFields(t *testing.T) {
	g := startSite(t, `ingest_auth {
		scope events:write
		resource project query project
		error 403 text/plain "{http.ingest_auth.code}|{http.ingest_auth.error}|{http.ingest_auth.verdict}|{http.ingest_auth.key_id}|{http.ingest_auth.account}"
		error 401 text/plain "{http.ingest_auth.code}|{http.ingest_auth.verdict}|{http.ingest_auth.key_id}|"
	}
	respond "{http.ingest_auth.key_id}|{http.ingest_auth.account}|{http.ingest_auth.mode}|{http.ingest_auth.env}|{http.ingest_auth.scope}|{http.ingest_auth.verdict}|{http.ingest_auth.res.project}|{http.ingest_auth.res.other}|{http.auth.user.id}|{http.ingest_auth.error}"`,
		map[string]gatetest.Record{
			keyA:            {"key_id": "key_a", "account": "acme", "env": "dev", "scopes": []string{"events:write", "x"}, "resources": map[string]any{"project": []string{"p"}}},
			keyB:            {"key_id": "key_b", "account": "other"},
			"revoked-key-1": {"revoked_at": "2020-01-01T00:00:00Z"},
		}, nil)
	for key, want := range map[string]string{
		keyA:            "key_a|acme|live|dev|events:write x|allowed|p||key_a|",
		keyB:            "insufficient_scope|API key lacks the required scope|insufficient_scope|key_b|other",
		"revoked-key-1": "invalid_key|revoked_key|key_",
		"nobody-at-all": "invalid_key|unknown_key||",
	} {
		resp := g.Do(t, gatetest.Request{Target: "/?project=p", Header: http.Header{"X-Api-Key": {key}}})
		if !strings.HasPrefix(resp.Body, want) {
			t.Errorf("%s: %s, want %s", key, resp.Body, want)
		}
	}
	var log string
	await.That(t, "four entries in the access log", func() bool {
		b, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		log = string(b)
		return strings.Count(log, "handled request") == 4
	})
	for _, want := range []string{
		`"user_id":"key_a"`, `"key_id":"key_a","account":"acme","mode":"live","verdict":"allowed"`,
		`"user_id":"key_b"`, `"key_id":"key_b","account":"other","mode":"live","verdict":"insufficient_scope"`,
		`"verdict":"revoked_key"`, `"verdict":"unknown_key"`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("access log lacks %s", want)
		}
	}
}

func TestTestModeGoesElsewhere(t *testing.T) {
	live, test := gatetest.NewUpstream(t, nil), gatetest.NewUpstream(t, nil)
	g := startSite(t, `ingest_auth
	@test vars {http.ingest_auth.mode} test
	reverse_proxy @test {{test}}
	reverse_proxy {{live}}`, map[string]gatetest.Record{keyA: {"mode": "live"}, keyB: {"mode": "test"}},
		gatetest.Vars{"live": live.Addr, "test": test.Addr})
	g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {keyA}}})
	live.One(t)
	g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {keyB}}})
	if mode := gatetest.Claims(t, test.One(t).Header.Get("X-Ingest-Identity"))["mode"]; mode != "test" {
		t.Errorf("mode %v", mode)
	}
	if n := len(live.Take()) + len(test.Take()); n != 0 {
		t.Errorf("%d requests went to the wrong backend", n)
	}
}

func TestModes(t *testing.T) {
	for mode, want := range map[string][2]int{"live": {200, 403}, "test": {403, 200}, "live test": {200, 200}} {
		g, _ := start(t, "mode "+mode, map[string]gatetest.Record{keyA: {"mode": "live"}, keyB: {"mode": "test"}})
		for i, key := range []string{keyA, keyB} {
			if resp := g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {key}}}); resp.Status != want[i] {
				t.Errorf("mode %s, key %d: status %d", mode, i, resp.Status)
			}
		}
	}
}

func TestStripOff(t *testing.T) {
	g, up := start(t, allStyles+"\nstrip off", map[string]gatetest.Record{keyA: {}})
	for _, s := range styles {
		req := baseRequest(gatetest.Length)
		s.add(&req, keyA)
		body := req.Body
		if resp := g.Do(t, req); resp.Status != http.StatusOK {
			t.Fatalf("%s: status %d: %s", s.name, resp.Status, resp.Body)
		}
		seen := up.One(t)
		if seen.URI != req.Target || seen.Body != body || seen.Header.Get("Authorization") != req.Header.Get("Authorization") ||
			seen.Header.Get("X-Api-Key") != req.Header.Get("X-Api-Key") {
			t.Errorf("%s: the request was changed:\n%s", s.name, seen)
		}
		gatetest.Claims(t, seen.Header.Get("X-Ingest-Identity"))
	}
}

func TestRequire(t *testing.T) {
	g, up := start(t, "require any userId email\nrequire all event", map[string]gatetest.Record{keyA: {}})
	for body, want := range map[string]string{
		`{"userId":"u","event":"e"}`:                                  "",
		`{"email":"m","event":"e"}`:                                   "",
		`[{"userId":"u","event":"e"},{"email":"m","event":"e"}]`:      "",
		`{"event":"e"}`:                                               "Missing field: one of userId, email",
		`{"userId":"","event":"e"}`:                                   "Missing field: one of userId, email",
		`{"userId":null,"event":"e"}`:                                 "Missing field: one of userId, email",
		`{"userId":0,"event":"e"}`:                                    "",
		`{"userId":[],"event":"e"}`:                                   "Missing field: one of userId, email",
		`{"userId":{},"event":"e"}`:                                   "Missing field: one of userId, email",
		`{"userId":false,"email":true,"event":"e"}`:                   "Missing field: one of userId, email",
		`{"userId":" \t\u00a0","event":"e"}`:                          "Missing field: one of userId, email",
		`[{"userId":"u","event":"e"},{"userId":"u","event":" "}]`:     "Missing field: event (item 1)",
		`{"userid":"u","event":"e"}`:                                  "Field must be spelled exactly: userId",
		`{"userId":"u","event":"e","Event":"f"}`:                      "Field must be spelled exactly: event",
		`{"userId":"u"}`:                                              "Missing field: event",
		`[{"userId":"u","event":"e"},{"event":"e"}]`:                  "Missing field: one of userId, email (item 1)",
		`[{"userId":"u","event":"e"},{"userId":"u","x":{"event":1}}]`: "Missing field: event (item 1)",
		``: "Missing field: one of userId, email",
	} {
		resp := g.Do(t, gatetest.Request{Method: http.MethodPost, Target: "/", Body: body, Header: http.Header{"X-Api-Key": {keyA}, "Content-Type": {"application/json"}}})
		if want == "" {
			if up.One(t); resp.Status != http.StatusOK {
				t.Errorf("%s: status %d: %s", body, resp.Status, resp.Body)
			}
		} else if resp.Status != http.StatusBadRequest || !strings.Contains(resp.Body, `"`+want+`"`) {
			t.Errorf("%s: status %d: %s", body, resp.Status, resp.Body)
		}
	}
}

func TestErrorFormats(t *testing.T) {
	for errors, want := range map[string]struct{ contentType, body string }{
		"json":    {"application/json", `{"error":"Invalid API key","code":"invalid_key"}`},
		"problem": {"application/problem+json", `{"type":"about:blank","title":"Unauthorized","status":401,"detail":"Invalid API key","code":"invalid_key"}`},
		"caddy":   {"text/plain; charset=utf-8", "401 Invalid API key invalid_key"},
	} {
		g := startSite(t, "ingest_auth {\nerrors "+errors+"\n}\nrespond ok\nhandle_errors {\nrespond \"{http.error.status_code} {http.ingest_auth.error} {http.ingest_auth.code}\"\n}", map[string]gatetest.Record{}, nil)
		resp := g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {"nobody-at-all"}}})
		if resp.Status != 401 || resp.Header.Get("Content-Type") != want.contentType || resp.Body != want.body {
			t.Errorf("%s: %d %s %s", errors, resp.Status, resp.Header.Get("Content-Type"), resp.Body)
		}
		if resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no WWW-Authenticate", errors)
		}
	}
}

func TestKeyFileIsReread(t *testing.T) {
	g, _ := start(t, "", map[string]gatetest.Record{keyA: {}})
	status := func(key string) int {
		return g.Do(t, gatetest.Request{Target: "/", Header: http.Header{"X-Api-Key": {key}}}).Status
	}
	if status(keyA) != 200 || status(keyB) != 401 {
		t.Fatal("the first file does not count")
	}
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {"revoked_at": "2020-01-01T00:00:00Z"}, keyB: {}}))
	await.That(t, "the new file", func() bool { return status(keyA) == 401 && status(keyB) == 200 })
	g.Write(t, "keys.json", "{")
	await.That(t, "the complaint about a broken file", func() bool {
		log, _ := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
		return strings.Contains(string(log), "ingest_auth.keys") && strings.Contains(string(log), `"level":"error"`)
	})
	if status(keyA) != 401 || status(keyB) != 200 {
		t.Error("a broken file replaced the good one")
	}
}
