package keysync

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/crc32"
)

// A key made by NewKey reads iak_<mode>_<32 random characters><6 checksum
// characters>, all base62. The checksum is the CRC-32 (IEEE) of everything
// before it, padded with zeros on the left.
const (
	keyPrefix      = "iak_"
	keyRandomLen   = 32
	keyChecksumLen = 6
	base62         = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// NewKey makes a key for mode "live" or "test" with 190 bits of randomness.
func NewKey(mode string) (string, error) {
	if mode != ModeLive && mode != ModeTest {
		return "", errors.New("making a key: mode must be live or test")
	}
	key := append(make([]byte, 0, 64), keyPrefix+mode+"_"...)
	key, err := appendRandom(key, keyRandomLen)
	if err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	sum := keyChecksum(key)
	return string(append(key, sum[:]...)), nil
}

// appendRandom appends n characters, each of the 62 equally likely: bytes that
// would favour some characters are thrown away.
func appendRandom(key []byte, n int) ([]byte, error) {
	const limit = byte(256 - 256%len(base62))
	var buf [64]byte
	for {
		if _, err := rand.Read(buf[:]); err != nil {
			return nil, err
		}
		for _, b := range buf {
			if n == 0 {
				return key, nil
			}
			if b < limit {
				key = append(key, base62[int(b)%len(base62)])
				n--
			}
		}
	}
}

func keyChecksum(b []byte) [keyChecksumLen]byte {
	var out [keyChecksumLen]byte
	sum := crc32.ChecksumIEEE(b)
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = base62[sum%uint32(len(base62))]
		sum /= uint32(len(base62))
	}
	return out
}

// KeyForm is what the spelling of a key shows without asking a source.
type KeyForm uint8

// The forms of a key.
const (
	KeyForeign    KeyForm = iota // not made by NewKey: only the source can tell
	KeyWellFormed                // made by NewKey, as far as the checksum tells
	KeyDamaged                   // starts like a key of NewKey but is not one: refuse it
)

// CheckKey looks at the spelling of key. It does not allocate.
func CheckKey(key []byte) KeyForm {
	rest, ok := bytes.CutPrefix(key, []byte(keyPrefix))
	if !ok {
		return KeyForeign
	}
	mode, rest, ok := bytes.Cut(rest, []byte("_"))
	if !ok || string(mode) != ModeLive && string(mode) != ModeTest {
		return KeyDamaged
	}
	if len(rest) != keyRandomLen+keyChecksumLen || !isBase62(rest) {
		return KeyDamaged
	}
	body := key[:len(key)-keyChecksumLen]
	if sum := keyChecksum(body); !bytes.Equal(sum[:], key[len(body):]) {
		return KeyDamaged
	}
	return KeyWellFormed
}

func isBase62(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) {
			return false
		}
	}
	return true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}
