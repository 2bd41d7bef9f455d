package caddymodule

import (
	"crypto/sha256"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// resolve returns what a placeholder for a secret stands for. The setting is named in errors,
// the value is not.
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

// signerPoolKey names a signer by its settings. Secret and storage go in as a
// hash: a changed one makes a new signer, and pool keys may be printed.
func signerPoolKey(s config.Sign, secret []byte, storage certmagic.Storage) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%T %v\x00%s", storage, storage, secret))
	return fmt.Sprintf("sign %s %q %q %s %s %x", s.Algorithm, s.Issuer, s.Audience, s.TTL, s.Rotate, sum[:8])
}
