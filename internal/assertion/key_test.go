package assertion

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"math/big"
	"testing"
)

// RFC 8037 appendices A.1 to A.3.
const (
	rfc8037D          = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
	rfc8037Thumbprint = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
)

func rfc8037Key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	seed, err := b64(rfc8037D)
	if err != nil {
		t.Fatal(err)
	}
	return ed25519.NewKeyFromSeed(seed)
}

func TestKeyIDIsThumbprint(t *testing.T) {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	coordinate := func(i *big.Int) string { return base64.RawURLEncoding.EncodeToString(i.FillBytes(make([]byte, 32))) }
	// RFC 7638 section 3.2: required members in lexicographic order, no white space.
	canonical := fmt.Sprintf(`{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}`, coordinate(ec.X), coordinate(ec.Y))
	sum := sha256.Sum256([]byte(canonical))

	tests := []struct {
		name      string
		algorithm Algorithm
		private   any
		want      string
	}{
		{"RFC 8037 appendix A.3", EdDSA, rfc8037Key(t), rfc8037Thumbprint},
		{"RFC 7638 section 3.2 by hand", ES256, ec, base64.RawURLEncoding.EncodeToString(sum[:])},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k, err := newKey(tt.algorithm, tt.private)
			if err != nil {
				t.Fatal(err)
			}
			if k.id != tt.want {
				t.Errorf("id = %s, want %s", k.id, tt.want)
			}
		})
	}
}

func TestNewKeyRefuses(t *testing.T) {
	p256, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	other, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	mixed := &ecdsa.PrivateKey{PublicKey: other.PublicKey, D: p256.D}
	tests := []struct {
		name      string
		algorithm Algorithm
		private   any
	}{
		{"Ed25519 key for ES256", ES256, rfc8037Key(t)},
		{"P-256 key for EdDSA", EdDSA, p256},
		{"P-384 key for ES256", ES256, p384},
		{"halves of two keys", ES256, mixed},
		{"public key", EdDSA, rfc8037Key(t).Public()},
		{"secret", EdDSA, []byte("secret")},
		{"nothing", EdDSA, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := newKey(tt.algorithm, tt.private); err == nil {
				t.Error("accepted")
			}
		})
	}
}
