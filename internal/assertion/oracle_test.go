package assertion

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
)

// This file verifies tokens with nothing but the standard library, as a backend
// without a JOSE library would: it shares no code with what it checks.

type publicJWK struct {
	Kty, Crv, X, Y, Kid, Alg, Use string
}

func b64(s string) ([]byte, error) { return base64.RawURLEncoding.Strict().DecodeString(s) }

func readJWKS(t testing.TB, data []byte) map[string]publicJWK {
	t.Helper()
	var set struct{ Keys []publicJWK }
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields() // so that "d" is noticed
	if err := d.Decode(&set); err != nil {
		t.Fatalf("key set: %v", err)
	}
	keys := map[string]publicJWK{}
	for _, k := range set.Keys {
		keys[k.Kid] = k
	}
	if len(keys) != len(set.Keys) {
		t.Fatalf("key set names a kid twice: %s", data)
	}
	return keys
}

type joseHeader struct{ Alg, Kid, Typ string }

type parts struct {
	header    joseHeader
	rawHeader string
	claims    map[string]any
	rawClaims []byte
	signed    []byte
	signature []byte
}

func split(token string) (parts, error) {
	var p parts
	fields := strings.Split(token, ".")
	if len(fields) != 3 {
		return p, fmt.Errorf("%d parts", len(fields))
	}
	header, err := b64(fields[0])
	if err != nil {
		return p, err
	}
	p.rawHeader = string(header)
	d := json.NewDecoder(bytes.NewReader(header))
	d.DisallowUnknownFields()
	if err := d.Decode(&p.header); err != nil {
		return p, err
	}
	if p.rawClaims, err = b64(fields[1]); err != nil {
		return p, err
	}
	if p.signature, err = b64(fields[2]); err != nil {
		return p, err
	}
	p.signed = []byte(fields[0] + "." + fields[1])
	return p, json.Unmarshal(p.rawClaims, &p.claims)
}

// verify checks the signature of token with the key set it names.
func verify(t testing.TB, token string, jwks []byte) (parts, error) {
	t.Helper()
	p, err := split(token)
	if err != nil {
		return p, err
	}
	k, ok := readJWKS(t, jwks)[p.header.Kid]
	if !ok {
		return p, fmt.Errorf("kid %s is not in the key set", p.header.Kid)
	}
	if k.Alg != p.header.Alg || k.Use != "sig" || p.header.Typ != "JWT" {
		return p, fmt.Errorf("header %+v does not fit key %+v", p.header, k)
	}
	x, err := b64(k.X)
	if err != nil {
		return p, err
	}
	switch k.Alg {
	case "EdDSA":
		ok = k.Kty == "OKP" && k.Crv == "Ed25519" && ed25519.Verify(x, p.signed, p.signature)
	case "ES256":
		y, err := b64(k.Y)
		if err != nil || len(p.signature) != 64 || k.Kty != "EC" || k.Crv != "P-256" {
			return p, fmt.Errorf("not ES256")
		}
		public := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int).SetBytes(x), Y: new(big.Int).SetBytes(y)}
		sum := sha256.Sum256(p.signed)
		r, s := new(big.Int).SetBytes(p.signature[:32]), new(big.Int).SetBytes(p.signature[32:])
		ok = ecdsa.Verify(public, sum[:], r, s)
	default:
		ok = false
	}
	if !ok {
		return p, fmt.Errorf("signature of %s does not verify", p.header.Kid)
	}
	return p, nil
}

func verifyHMAC(token string, secret []byte) (parts, error) {
	p, err := split(token)
	if err != nil {
		return p, err
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(p.signed)
	if p.rawHeader != `{"alg":"HS256","typ":"JWT"}` || !hmac.Equal(mac.Sum(nil), p.signature) {
		return p, fmt.Errorf("not an HS256 token of this secret: %s", p.rawHeader)
	}
	return p, nil
}
