package assertion

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func base64Form(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func fullClaims() *Claims {
	return &Claims{
		Subject: "acct_1", KeyID: "key_1", Mode: "live", Env: "production", Scope: "events:write events:read",
		Res:     map[string]any{"project": "p1", "datasource": []string{"d1", "d2"}},
		Verdict: "limit", Method: "POST", Path: "/v1/a%2Fb",
		QueryDigest: Digest([]byte("a=1")), BodyDigest: Digest(nil),
	}
}

func TestSignFillsInRegisteredClaims(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC)
	registered := map[string]any{"iss": "gate", "aud": "events", "iat": 1767323045.0, "exp": 1767323105.0}
	tests := []struct {
		name   string
		claims *Claims
		want   map[string]any
	}{
		{"nothing known", &Claims{}, nil},
		{"everything", fullClaims(), map[string]any{
			"sub": "acct_1", "key_id": "key_1", "mode": "live", "env": "production", "scope": "events:write events:read",
			"res":     map[string]any{"project": "p1", "datasource": []any{"d1", "d2"}},
			"verdict": "limit", "htm": "POST", "htp": "/v1/a%2Fb",
			"hqd": "wi_qXXQo5c9H72NUyXySI8ldbc3D4NIwD_eQVrH_PYU", // printf a=1 | sha256sum
			"hbd": "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU", // the well-known SHA-256 of nothing
		}},
	}
	s := open(t, nil, validOptions(HS256))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := verifyHMAC(sign(t, s, tt.claims, now), validOptions(HS256).Secret)
			if err != nil {
				t.Fatal(err)
			}
			if jti, _ := p.claims["jti"].(string); len(jti) < 22 {
				t.Errorf("jti %q has less than 128 bits", jti)
			}
			delete(p.claims, "jti")
			want := map[string]any{}
			for _, m := range []map[string]any{registered, tt.want} {
				maps.Copy(want, m)
			}
			if diff := cmp.Diff(want, p.claims); diff != "" {
				t.Errorf("claims (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEveryTokenHasItsOwnID(t *testing.T) {
	s := open(t, nil, validOptions(HS256))
	seen := map[any]bool{}
	for range 1000 {
		p, err := split(sign(t, s, &Claims{}, time.Now()))
		if err != nil {
			t.Fatal(err)
		}
		seen[p.claims["jti"]] = true
	}
	if len(seen) != 1000 {
		t.Errorf("%d different jti in 1000 tokens", len(seen))
	}
}

func TestSignRefuses(t *testing.T) {
	const bad = "a\xff"
	tests := []struct {
		name   string
		claims Claims
		want   string
	}{
		{"subject", Claims{Subject: bad}, "claim sub is not valid UTF-8"},
		{"key ID", Claims{KeyID: bad}, "claim key_id is not valid UTF-8"},
		{"mode", Claims{Mode: bad}, "claim mode is not valid UTF-8"},
		{"env", Claims{Env: bad}, "claim env is not valid UTF-8"},
		{"scope", Claims{Scope: bad}, "claim scope is not valid UTF-8"},
		{"verdict", Claims{Verdict: bad}, "claim verdict is not valid UTF-8"},
		{"method", Claims{Method: bad}, "claim htm is not valid UTF-8"},
		{"path", Claims{Path: bad}, "claim htp is not valid UTF-8"},
		{"query", Claims{QueryDigest: bad}, "claim hqd is not valid UTF-8"},
		{"body", Claims{BodyDigest: bad}, "claim hbd is not valid UTF-8"},
		{"resource", Claims{Res: map[string]any{"project": bad}}, `claim res "project" is not valid UTF-8`},
		{"one of many", Claims{Res: map[string]any{"project": []string{"p", bad}}}, `claim res "project" is not valid UTF-8`},
		{"resource name", Claims{Res: map[string]any{bad: "p"}}, `claim res "a\xff" is not valid UTF-8`},
		{"number", Claims{Res: map[string]any{"project": 1}}, `claim res "project" has type int`},
		{"null", Claims{Res: map[string]any{"project": nil}}, `claim res "project" has type <nil>`},
	}
	s := open(t, nil, validOptions(HS256))
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			token, err := s.Sign(&tt.claims, time.Now())
			if err == nil || !strings.Contains(err.Error(), tt.want) || token != "" {
				t.Errorf("token %q, error %v; want one with %q", token, err, tt.want)
			}
		})
	}
}

// FuzzClaims checks that a token says exactly what it was told to say, and that
// what cannot be said in JSON is refused.
func FuzzClaims(f *testing.F) {
	f.Add("acct", "key_1", "events:write", "project", "p1", "d1", "/v1/x")
	f.Add("<&>\u2028", "\x00", "\"\\", "", "\U0001f511", "\ufffd", "/%FF")
	f.Add("a\xff", "b", "c", "d", "e", "f", "g")
	f.Add("", "", "", "", "", "", "")
	o := validOptions(HS256)
	s, err := Open(f.Context(), nil, o, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(s.Close)
	f.Fuzz(func(t *testing.T, sub, id, scope, name, one, many, path string) {
		in := &Claims{
			Subject: sub, KeyID: id, Mode: id, Env: sub, Scope: scope, Verdict: scope, Method: id, Path: path,
			QueryDigest: Digest([]byte(path)), BodyDigest: Digest(nil),
			Res: map[string]any{name: one, name + "s": []string{many, one}},
		}
		token, err := s.Sign(in, time.Now())
		if valid := utf8.ValidString(sub + "\n" + id + "\n" + scope + "\n" + name + "\n" + one + "\n" + many + "\n" + path); !valid {
			if err == nil {
				t.Fatalf("signed invalid UTF-8: %q", in)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		p, err := verifyHMAC(token, o.Secret)
		if err != nil {
			t.Fatal(err)
		}
		var out Claims
		if err := json.Unmarshal(p.rawClaims, &out); err != nil {
			t.Fatal(err)
		}
		want := *in
		want.Res = map[string]any{name: one, name + "s": []any{many, one}}
		if diff := cmp.Diff(want, out); diff != "" {
			t.Fatalf("claims (-want +got):\n%s", diff)
		}
	})
}
