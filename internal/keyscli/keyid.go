package keyscli

import (
	"crypto/rand"
	"strings"
)

const (
	defaultIDPrefix = "key_"
	idLength        = 16 // base32 characters, 80 bits
)

// newKeyID makes a key ID. It says nothing about the key: IDs are in logs, where
// a piece of the digest would help to guess a weak key.
func newKeyID(prefix string) string {
	return prefix + strings.ToLower(rand.Text()[:idLength])
}
