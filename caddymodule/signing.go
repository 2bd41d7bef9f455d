package caddymodule

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/caddyserver/certmagic"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// signingSecret resolves the placeholder of the HS256 secret.
func signingSecret(s config.Sign) ([]byte, error) {
	if s.Algorithm != "HS256" {
		return nil, nil
	}
	if s.Secret == "" {
		return nil, fmt.Errorf("sign: HS256 needs a shared secret; write `secret {env.NAME}` or `secret {file.PATH}`")
	}
	secret, err := resolve("sign secret", s.Secret)
	return []byte(secret), err
}

// signerPoolKey names a signer by its settings. Secret and storage go in as a
// hash: a changed one makes a new signer, and pool keys may be printed.
func signerPoolKey(s config.Sign, secret []byte, storage certmagic.Storage) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%T %v\x00%s", storage, storage, secret))
	return fmt.Sprintf("sign %s %q %q %s %s %x", s.Algorithm, s.Issuer, s.Audience, s.TTL, s.Rotate, sum[:8])
}

func durationOf(d config.Duration) time.Duration { return time.Duration(d) }
