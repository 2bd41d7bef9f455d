package assertion

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"time"
)

// Derive returns secrets for another purpose, one from each signing key (HKDF with
// SHA-256, RFC 5869). The secret of the current key comes first. Data authenticated with
// it can be checked after a rotation with one of the others, as long as the key is kept.
// The label names the purpose.
func (s *Signer) Derive(label string, now time.Time) ([][]byte, error) {
	active := s.active(now)
	secrets := make([][]byte, 1, 3)
	for _, k := range s.keys.Load().keys {
		secret, err := hkdf.Key(sha256.New, k.material, nil, label, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("deriving a secret: %w", err)
		}
		if k == active {
			secrets[0] = secret
			continue
		}
		secrets = append(secrets, secret)
	}
	return secrets, nil
}
