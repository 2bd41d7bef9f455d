package verify

import (
	"crypto"
	"crypto/sha256"

	lru "github.com/hashicorp/golang-lru/v2"
)

// remembered is how many assertions are remembered.
const remembered = 4096

// memory remembers assertions with a correct signature: a gate sends the same one with
// all requests of an identity for half of its life. Assertions that are bound to a
// request are not kept, because they come only once.
type memory struct {
	signed *lru.Cache[[sha256.Size]byte, *signed]
}

// signed is an assertion and the key that signed it.
type signed struct {
	claims *claims
	name   keyName
	key    any
}

func newMemory() memory {
	cache, _ := lru.New[[sha256.Size]byte, *signed](remembered) // errs for sizes below 1 only
	return memory{cache}
}

// get returns the assertion of the token, or nil if it is not remembered.
func (m memory) get(token string) *signed {
	s, _ := m.signed.Get(sha256.Sum256([]byte(token)))
	return s
}

func (m memory) put(token string, s *signed) {
	if s.claims.Method == nil && s.claims.Body == nil {
		m.signed.Add(sha256.Sum256([]byte(token)), s)
	}
}

// by reports whether this key signed the assertion.
func (s *signed) by(key any) bool {
	public, ok := key.(interface{ Equal(crypto.PublicKey) bool })
	return !ok || public.Equal(s.key) // a shared secret does not change
}
