package verify

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// maxKeySet is the longest key set in bytes that is read.
const maxKeySet = 256 << 10

// keyName identifies a key. It includes the algorithm, so that no token can use a key
// with an algorithm for which the key is not made.
type keyName struct{ algorithm, id string }

// keySet is the usable keys of a JSON Web Key Set. It is not changed once it is in
// use. The methods work on nil, a set without keys.
type keySet struct {
	keys  map[keyName]any
	read  time.Time     // when it was read
	fresh time.Duration // after that, it is read again
}

func (s *keySet) key(name keyName) any {
	if s == nil {
		return nil
	}
	return s.keys[name]
}

func (s *keySet) age(now time.Time) time.Duration { return now.Sub(s.read) }

// parseKeySet returns the keys of a JSON Web Key Set that have a name and can check
// signatures of EdDSA or ES256. It skips others, as RFC 7517 section 5 says, and fails if
// none is left.
func parseKeySet(data []byte) (*keySet, error) {
	var document struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if len(data) > maxKeySet {
		return nil, errors.New("the key set is too long")
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	set := &keySet{keys: map[keyName]any{}}
	for _, raw := range document.Keys {
		var k jose.JSONWebKey
		if json.Unmarshal(raw, &k) != nil || k.KeyID == "" || (k.Use != "" && k.Use != "sig") {
			continue
		}
		algorithm := algorithmOf(k.Key)
		if algorithm == "" || (k.Algorithm != "" && k.Algorithm != algorithm) {
			continue
		}
		set.keys[keyName{algorithm, k.KeyID}] = k.Key
	}
	if len(set.keys) == 0 {
		return nil, errors.New("the key set has no public key for EdDSA or ES256 with a kid")
	}
	return set, nil
}

// algorithmOf returns the only algorithm for a public key, or "".
func algorithmOf(key any) string {
	switch k := key.(type) {
	case ed25519.PublicKey:
		return EdDSA
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() {
			return ES256
		}
	}
	return ""
}
