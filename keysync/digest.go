package keysync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
)

// Digest is the SHA-256 of a key: the only form in which a key is stored,
// cached, compared or listed.
type Digest [sha256.Size]byte

// DigestOf returns the digest of key. It does not allocate.
func DigestOf(key []byte) Digest {
	return sha256.Sum256(key)
}

var errDigestForm = errors.New("must be the SHA-256 of the key in 64 lower-case hex digits")

// ParseDigest reads the form that String writes: 64 hex digits in lower case.
// The error does not quote s, which may be a key put in the wrong place.
func ParseDigest(s string) (Digest, error) {
	var d Digest
	if len(s) != hex.EncodedLen(len(d)) {
		return Digest{}, errDigestForm
	}
	for i := range d {
		hi, ok1 := hexValue(s[2*i])
		lo, ok2 := hexValue(s[2*i+1])
		if !ok1 || !ok2 {
			return Digest{}, errDigestForm
		}
		d[i] = hi<<4 | lo
	}
	return d, nil
}

func hexValue(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}

// String returns the digest as 64 hex digits in lower case.
func (d Digest) String() string {
	return hex.EncodeToString(d[:])
}
