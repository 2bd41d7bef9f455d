package caddymodule

import (
	"crypto/sha256"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// resolve returns the value of a placeholder for a secret. Errors name the setting, but not
// the value.
func resolve(setting, placeholder string) (string, error) {
	value, err := caddy.NewReplacer().ReplaceOrErr(placeholder, true, true)
	if err != nil {
		return "", fmt.Errorf("%s: resolving %s: it has no value; set the environment variable, or write the file and make it readable", setting, placeholder)
	}
	return value, nil
}

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

// signerPoolKey identifies a signer by its settings. It includes a hash of secret and
// storage: if they change, a new signer is made, and pool keys may be printed.
func signerPoolKey(s config.Sign, secret []byte, storage certmagic.Storage) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%T %v\x00%s", storage, storage, secret))
	return fmt.Sprintf("sign %s %q %q %s %s %x", s.Algorithm, s.Issuer, s.Audience, s.TTL, s.Rotate, sum[:8])
}
