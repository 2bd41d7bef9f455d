package assertion

import (
	"errors"
	"fmt"
	"time"
)

// Algorithm is the signature algorithm of assertions.
type Algorithm string

// The algorithms.
const (
	EdDSA Algorithm = "EdDSA" // Ed25519, RFC 8037; the default
	ES256 Algorithm = "ES256" // ECDSA with P-256 and SHA-256, RFC 7518 section 3.4
	HS256 Algorithm = "HS256" // HMAC with SHA-256, RFC 7518 section 3.2
)

// minSecret is the shortest secret for HS256 in bytes (RFC 7518 section 3.2).
const minSecret = 32

// Options say how assertions are signed.
type Options struct {
	// Algorithm is EdDSA if empty.
	Algorithm Algorithm

	// Issuer is the iss claim. Required.
	Issuer string

	// Audience is the aud claim. It prevents one backend from using an assertion at
	// another. Required.
	Audience string

	// TTL is how long one assertion is valid: at least a second.
	TTL time.Duration

	// Rotate is how long one key signs: at least TTL. HS256 ignores it.
	Rotate time.Duration

	// Secret is the shared secret for HS256: at least 32 bytes. The other
	// algorithms refuse it.
	Secret []byte `json:"-"`
}

// String describes the options without the secret.
func (o Options) String() string {
	return fmt.Sprintf("{%s iss=%s aud=%s ttl=%s rotate=%s}", o.Algorithm, o.Issuer, o.Audience, o.TTL, o.Rotate)
}

// GoString describes the options without the secret.
func (o Options) GoString() string { return o.String() }

func (o Options) validate() error {
	switch {
	case o.Issuer == "":
		return errors.New("issuer is missing: name who signs, such as ingest-auth")
	case o.Audience == "":
		return errors.New("audience is missing: name the backend that may accept assertions")
	case o.TTL < time.Second:
		return fmt.Errorf("ttl %s is too short: at least 1s is needed", o.TTL)
	}
	switch o.Algorithm {
	case HS256:
		return o.validateSecret()
	case EdDSA, ES256:
		return o.validateRotation()
	}
	return fmt.Errorf("unknown algorithm %q: use %s, %s or %s", o.Algorithm, EdDSA, ES256, HS256)
}

func (o Options) validateSecret() error {
	if len(o.Secret) < minSecret {
		return fmt.Errorf("secret for %s has %d bytes: at least %d are needed (RFC 7518 section 3.2)", HS256, len(o.Secret), minSecret)
	}
	return nil
}

func (o Options) validateRotation() error {
	if len(o.Secret) > 0 {
		return fmt.Errorf("a secret is only used with %s: remove it, or change the algorithm", HS256)
	}
	if o.Rotate < o.TTL {
		return fmt.Errorf("rotate %s is shorter than ttl %s: let a key sign for at least the life of one assertion", o.Rotate, o.TTL)
	}
	return nil
}
