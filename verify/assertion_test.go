package verify_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
	"github.com/ingestauth/caddy-ingest-auth/verify"
)

// storage keeps documents in memory, for one signer.
type storage struct{ documents sync.Map }

func (*storage) Lock(context.Context, string) error   { return nil }
func (*storage) Unlock(context.Context, string) error { return nil }

func (s *storage) Store(_ context.Context, key string, value []byte) error {
	s.documents.Store(key, bytes.Clone(value))
	return nil
}

func (s *storage) Load(_ context.Context, key string) ([]byte, error) {
	if value, ok := s.documents.Load(key); ok {
		return value.([]byte), nil
	}
	return nil, fs.ErrNotExist
}

// signer opens a signer like that of a gate, and returns options to believe it.
func signer(t *testing.T, algorithm assertion.Algorithm, rotate time.Duration) (*assertion.Signer, verify.Options) {
	t.Helper()
	o := assertion.Options{Algorithm: algorithm, Issuer: "ingest-auth", Audience: "backend", TTL: time.Minute, Rotate: rotate}
	if algorithm == assertion.HS256 {
		o.Secret = bytes.Repeat([]byte("s"), 32)
	}
	s, err := assertion.Open(t.Context(), new(storage), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	if o.Secret != nil {
		return s, verify.Options{Secret: o.Secret, Audience: "backend"}
	}
	return s, verify.Options{JWKS: jwksURL, Audience: "backend", Client: &http.Client{Transport: signerTransport{s}}}
}

// signerTransport answers as the handler ingest_auth_jwks does.
type signerTransport struct{ *assertion.Signer }

func (s signerTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK,
		Header:     http.Header{"Cache-Control": {fmt.Sprintf("public, max-age=%d", int(s.JWKSMaxAge().Seconds()))}},
		Body:       io.NopCloser(bytes.NewReader(s.JWKS())),
		Request:    r,
	}, nil
}

func TestAssertionsOfTheGate(t *testing.T) {
	for _, algorithm := range []assertion.Algorithm{assertion.EdDSA, assertion.ES256, assertion.HS256} {
		t.Run(string(algorithm), func(t *testing.T) {
			s, o := signer(t, algorithm, time.Hour)
			o.Bind = verify.BindBody
			now := time.Now()
			token, err := s.Sign(&assertion.Claims{
				Subject: "acct_1", KeyID: "key_1", Mode: "test", Env: "staging", Scope: "a b",
				Res:    map[string]any{"project": "p1", "datasource": []string{"d1", "d2"}},
				Method: "POST", Path: "/v1/a%2Fb", QueryDigest: assertion.Digest([]byte("x=1")), BodyDigest: assertion.Digest([]byte("body")),
			}, now)
			if err != nil {
				t.Fatal(err)
			}
			got, err := newVerifier(t, o).Verify(post("body", token))
			if err != nil {
				t.Fatal(err)
			}
			want := &verify.Identity{
				KeyID: "key_1", Account: "acct_1", Mode: "test", Env: "staging", Scopes: []string{"a", "b"},
				Resources: map[string][]string{"project": {"p1"}, "datasource": {"d1", "d2"}},
				ExpiresAt: time.Unix(now.Unix()+60, 0), ID: got.ID,
			}
			if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
				t.Errorf("identity (-want +got):\n%s", diff)
			}
		})
	}
}

// Six rotations of a gate, and a backend that is asked now and then.
func TestRotationsOfTheGate(t *testing.T) {
	for _, rotate := range []time.Duration{10 * time.Minute, time.Hour} {
		t.Run(rotate.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, o := signer(t, assertion.EdDSA, rotate)
				v := newVerifier(t, o)
				step := 0 * time.Second
				for begin := time.Now(); time.Since(begin) < 6*rotate; step = (step + 17*time.Second) % time.Minute {
					token, err := s.Sign(&assertion.Claims{KeyID: "key_1"}, time.Now())
					if err != nil {
						t.Fatal(err)
					}
					time.Sleep(step) // the gate uses a token more than once
					if got := code(t, v, post("", token)); got != "" {
						t.Fatalf("after %s: code %q", time.Since(begin), got)
					}
				}
			})
		})
	}
}
