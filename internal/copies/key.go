package copies

import (
	"strings"
	"unsafe"
)

// A key must be long enough, so that finding its bytes means something.
const (
	// MinPart is the minimal length in bytes of a key that is searched for everywhere. A
	// shorter key may be a word in an innocent text, so for it only whole values are copies.
	MinPart = 16
	// MinWhole is the minimal length of a key that is searched for at all.
	MinWhole = 8
)

// Key is a key to search for. It uses the bytes that it was made of, and is valid as long as
// they are.
type Key struct {
	text  string
	short bool // only whole values are copies
	split bool // has a byte that ends runs
	// decoded says that texts were decoded from base64. Base64 in base64 is not searched for: with
	// a run for each of the three phases in every layer, there are three to the power of layers ways down.
	decoded bool
	rare    int       // index of a byte that is rare in most texts, plus one; 0 if none was chosen yet
	coded   [3]anchor // in base64, by how many bytes precede the key in its first group of three
}

// Of returns the Key of these bytes. If they are too few, nothing is found.
func Of(key []byte) Key {
	k := Key{text: view(key), short: len(key) < MinPart}
	if len(key) >= MinPart {
		k.split = endsRun(k.text)
	}
	return k
}

// view returns the bytes as a string without copying them. It must not outlive a change of
// them.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) // searched texts must not be copied
}

// In tells whether text contains a copy. For a short key it may also be only a part of a
// value, which is not a copy.
func (k *Key) In(text string) bool {
	if len(text) < len(k.text) || len(k.text) < MinWhole {
		return false
	}
	if k.short || k.split {
		return k.anywhere(text)
	}
	for from := 0; ; {
		start, end := longRun(text, from, len(k.text))
		if end == 0 {
			return false
		}
		if k.anywhere(text[start:end]) {
			return true
		}
		from = end
	}
}

// InBytes is In for bytes.
func (k *Key) InBytes(text []byte) bool { return k.In(view(text)) }

// anywhere is In for a text that must be searched byte by byte.
func (k *Key) anywhere(text string) bool {
	if k.nextPlain(text, 0) >= 0 {
		return true
	}
	for i := range len(escapes) {
		if k.wants(escapes[i]) {
			if _, to := k.nextEscaped(text, escapes[i], 0); to > 0 {
				return true
			}
		}
	}
	if k.short || k.decoded || !k.mayBeCoded(text) {
		return false
	}
	for phase := range k.coded {
		if _, to := k.nextCoded(text, phase, 0); to > 0 {
			return true
		}
	}
	return false
}

// nextPlain returns the next place of the plain key, from an index on, or -1.
func (k *Key) nextPlain(text string, from int) int {
	if k.rare == 0 {
		k.rare = rarest(k.text) + 1
	}
	i := k.rare - 1
	for at := from + i; at < len(text); at++ {
		n := strings.IndexByte(text[at:], k.text[i])
		if n < 0 {
			return -1
		}
		at += n
		if strings.HasPrefix(text[at-i:], k.text) {
			return at - i
		}
	}
	return -1
}

// rarest returns the index of the rarest of the last bytes of a key. The first bytes are the
// same in many keys.
func rarest(key string) (rarest int) {
	first := max(0, len(key)-12)
	rarest = first
	for i := first + 1; i < len(key); i++ {
		if rarity[key[i]] > rarity[key[rarest]] {
			rarest = i
		}
	}
	return rarest
}

// rarity is how rare a byte is in events: the larger the rarer.
var rarity = func() (t [256]uint8) {
	const rarestLast = "\" etaoinsrlcdum:,0125p3468790hg_-f{}b./ywvkxqjzETSAICDPROMNLFBUHGWVYKXJZQ"
	for i := range t {
		t[i] = 64 // other bytes are rare or, in some alphabets, not
	}
	for i := range len(rarestLast) {
		t[rarestLast[i]] = uint8(i)
	}
	return t
}()

// IsShort tells whether only whole values are copies of the key.
func (k *Key) IsShort() bool { return k.short }
