package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// key is one signing key and the times of its life.
type key struct {
	id      string        // the RFC 7638 thumbprint
	private crypto.Signer // ed25519.PrivateKey or *ecdsa.PrivateKey
	header  string        // the start of all tokens of this key
	sign    signFunc

	material []byte // the secret bytes of the key, for Derive

	created   time.Time
	signsFrom time.Time
	retire    time.Time // when it is removed; zero as long as it has no successor
	seen      time.Time // since when this instance has published it; not stored
}

func generateKey(a Algorithm) (*key, error) {
	private, err := generatePrivate(a)
	if err != nil {
		return nil, fmt.Errorf("generating an %s key: %w", a, err)
	}
	return newKey(a, private)
}

func generatePrivate(a Algorithm) (crypto.Signer, error) {
	if a == ES256 {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	_, private, err := ed25519.GenerateKey(nil)
	return private, err
}

// newKey fails if private is not a private key for algorithm a. Its errors do not
// quote private.
func newKey(a Algorithm, private any) (*key, error) {
	k := &key{}
	var err error
	switch p := private.(type) {
	case ed25519.PrivateKey:
		if a == EdDSA {
			k.private, k.sign, k.material = p, signEd25519(p), p.Seed()
		}
	case *ecdsa.PrivateKey:
		if a == ES256 && isPair(p) {
			k.private, k.sign = p, signES256(p)
			k.material, err = p.Bytes()
		}
	}
	if k.private == nil || err != nil {
		return nil, fmt.Errorf("not a private key for %s", a)
	}
	if k.id, err = thumbprint(k.private.Public()); err != nil {
		return nil, err
	}
	k.header, err = header(a, k.id)
	return k, err
}

// isPair reports whether p is a P-256 key whose halves belong together, which
// go-jose does not check.
func isPair(p *ecdsa.PrivateKey) bool {
	if p.Curve != elliptic.P256() {
		return false
	}
	private, err := p.ECDH()
	if err != nil {
		return false
	}
	public, err := p.PublicKey.ECDH()
	return err == nil && private.PublicKey().Equal(public)
}

// thumbprint returns the RFC 7638 thumbprint of a public key: base64url of the
// SHA-256.
func thumbprint(public crypto.PublicKey) (string, error) {
	jwk := jose.JSONWebKey{Key: public}
	sum, err := jwk.Thumbprint(crypto.SHA256)
	if err != nil {
		return "", errors.New("not a usable public key")
	}
	return base64.RawURLEncoding.EncodeToString(sum), nil
}

// jwk describes key, which is the private key of k or its public half.
func (k *key) jwk(a Algorithm, key any) jose.JSONWebKey {
	return jose.JSONWebKey{Key: key, KeyID: k.id, Algorithm: string(a), Use: "sig"}
}
