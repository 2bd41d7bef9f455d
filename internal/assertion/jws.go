package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// A signFunc returns the signature of input in the form for a JWS.
type signFunc func(input []byte) ([]byte, error)

// signEd25519 signs as RFC 8037 section 3.1 says.
func signEd25519(private ed25519.PrivateKey) signFunc {
	return func(input []byte) ([]byte, error) {
		return private.Sign(nil, input, crypto.Hash(0))
	}
}

// signES256 signs as RFC 7518 section 3.4 says: r and s, 32 bytes each.
func signES256(private *ecdsa.PrivateKey) signFunc {
	return func(input []byte) ([]byte, error) {
		sum := sha256.Sum256(input)
		r, s, err := ecdsa.Sign(rand.Reader, private, sum[:])
		if err != nil {
			return nil, err
		}
		signature := make([]byte, 64)
		r.FillBytes(signature[:32])
		s.FillBytes(signature[32:])
		return signature, nil
	}
}

// signHS256 signs as RFC 7518 section 3.2 says.
func signHS256(secret []byte) signFunc {
	return func(input []byte) ([]byte, error) {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil), nil
	}
}

// header returns the protected header in base64url, followed by a dot. It is the
// same for all tokens of a key. An empty kid is left out.
func header(a Algorithm, kid string) (string, error) {
	b, err := json.Marshal(struct {
		Algorithm Algorithm `json:"alg"`
		KeyID     string    `json:"kid,omitempty"`
		Type      string    `json:"typ"`
	}{a, kid, "JWT"})
	if err != nil {
		return "", fmt.Errorf("encoding the token header: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b) + ".", nil
}

// compact returns the JWS compact serialization (RFC 7515 section 7.1). It builds the
// token itself, because go-jose would encode the header again for every token.
func compact(header string, payload []byte, sign signFunc) (string, error) {
	const signatureLen = 86 // 64 bytes in base64url; HS256 needs fewer
	encoding := base64.RawURLEncoding
	token := make([]byte, 0, len(header)+encoding.EncodedLen(len(payload))+len(".")+signatureLen)
	token = append(token, header...)
	token = encoding.AppendEncode(token, payload)
	signature, err := sign(token)
	if err != nil {
		return "", err
	}
	token = append(token, '.')
	return string(encoding.AppendEncode(token, signature)), nil
}
