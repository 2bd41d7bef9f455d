package copies

import (
	"encoding/base64"
	"strings"
)

// The key in base64 has three forms, depending on how many bytes are before it in its first
// group of three bytes (four characters). Nearly all characters depend only on the key; in
// the first and the last character only some bits do.

// sixes is a six-bit value of base64; none means that it is not a character of base64.
type sixes = uint8

const (
	none sixes = 0xff
	odd  sixes = 62 // and above: the two that alphabets differ in
)

// sixesOf has the values of the characters of both alphabets.
var sixesOf = func() (t [256]sixes) {
	for i := range t {
		t[i] = none
	}
	for i := range alphabet {
		t[alphabet[i]] = sixes(i)
	}
	t['-'], t['_'] = odd, odd+1
	return t
}()

const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// six returns the bits of a character, and which of them depend on the key. Characters are
// counted from the group in which the key starts, after phase other bytes.
func (k *Key) six(phase, i int) (bits, mask sixes) {
	if start := 6*i - 8*phase; start >= 0 && start+6 <= 8*len(k.text) { // all of them do
		two := uint16(k.text[start>>3]) << 8
		if start>>3+1 < len(k.text) {
			two |= uint16(k.text[start>>3+1])
		}
		return sixes(two>>(10-start&7)) & 63, 63
	}
	for bit := range 6 {
		n := 6*i + bit - 8*phase
		bits, mask = bits<<1, mask<<1
		if 0 <= n && n < 8*len(k.text) {
			bits |= k.text[n>>3] >> (7 - n&7) & 1
			mask |= 1
		}
	}
	return bits, mask
}

// ends returns the first character that depends on the key, and the one after the last.
func (k *Key) ends(phase int) (first, end int) {
	return 8 * phase / 6, (8*(phase+len(k.text)) + 5) / 6
}

// anchor is a character to look for, and the next one.
type anchor struct {
	index        int
	first, other byte
}

// anchorOf returns a rare anchor, made of characters that are the same in both alphabets and
// need no escape.
func (k *Key) anchorOf(phase int) (a anchor) {
	first, end := k.ends(phase)
	c, _ := k.six(phase, first+1)
	for i := first + 1; i+2 < end && (a.first == 0 || i < first+5); i++ {
		next, _ := k.six(phase, i+1)
		if c < odd && next < odd && (a.first == 0 || rarity[alphabet[c]] > rarity[a.first]) {
			a = anchor{i, alphabet[c], alphabet[next]}
		}
		c = next
	}
	return a
}

// mayBeCoded tells whether a text has as many consecutive characters of base64, or of
// escapes, as the key needs.
func (k *Key) mayBeCoded(text string) bool {
	first, end := k.ends(0)
	n := end - first - 1 // in all three forms the least
	for last := n - 1; last < len(text); {
		i := last
		for i > last-n && (sixesOf[text[i]] != none || text[i] == '%' || text[i] == '\\') {
			i--
		}
		if i == last-n {
			return true
		}
		last = i + n
	}
	return false
}

// nextCoded returns the next place of the key in base64, from an index on; to is 0 if there
// is none.
func (k *Key) nextCoded(text string, phase, floor int) (from, to int) {
	a := &k.coded[phase]
	if a.first == 0 {
		if *a = k.anchorOf(phase); a.first == 0 {
			return 0, 0
		}
	}
	for at := floor; ; at++ {
		n := strings.IndexByte(text[at:], a.first)
		if at += n; n < 0 || at+1 >= len(text) {
			return 0, 0
		}
		if text[at+1] != a.other {
			continue
		}
		if from, to = k.codedAround(text, phase, floor, at); to > 0 {
			return from, to
		}
	}
}

// codedAround returns the place of the key whose anchor is at an index.
func (k *Key) codedAround(text string, phase, floor, at int) (from, to int) {
	first, end := k.ends(phase)
	from, to = at, at
	for i := k.coded[phase].index - 1; i >= first; i-- {
		c, size := codedBefore(text[floor:from])
		if !k.isSix(phase, i, c) {
			return 0, 0
		}
		from -= size
	}
	for i := k.coded[phase].index; i < end; i++ {
		c, size := codedAt(text[to:])
		if !k.isSix(phase, i, c) {
			return 0, 0
		}
		to += size
	}
	return from, to
}

func (k *Key) isSix(phase, i int, c sixes) bool {
	bits, mask := k.six(phase, i)
	return c != none && c&mask == bits
}

// codedAt reads the character that text begins with, which may be escaped.
func codedAt(text string) (c sixes, size int) {
	if text == "" {
		return none, 0
	}
	if text[0] != '%' && text[0] != '\\' {
		return sixesOf[text[0]], 1
	}
	if e := unescape(text, false); e.n == 1 && e.size > 0 {
		return sixesOf[e.bytes[0]], e.size
	}
	return none, 0
}

// codedBefore reads the character that text ends in.
func codedBefore(text string) (c sixes, size int) {
	for _, size := range [...]int{len("%XX"), len(`\/`), len(`\uXXXX`)} {
		if n := len(text) - size; n >= 0 && (text[n] == '%' || text[n] == '\\') {
			if c, read := codedAt(text[n:]); read == size {
				return c, size
			}
		}
	}
	if text == "" {
		return none, 0
	}
	return sixesOf[text[len(text)-1]], 1
}

// coding says how a text in base64 is written.
type coding struct {
	from, to    int  // with its padding
	url, padded bool // url is the alphabet with '-' and '_'
	escaped     bool // other characters than letters and digits are percent-encoded
}

// allowance is how many bytes may be decoded to cut the copies out of a text. All copies in one
// run of base64 need less. Many copies in a run that cannot be decoded, each of which wants
// to try again, would need the square of its length.
func allowance(text string) int { return 9*len(text) + 16<<10 }

// decode returns the base64 around a copy of the key, decoded. The copy is at [from, to), in
// that phase. What it reads it takes from allowed; it fails if nothing is left of that. Characters around it, such as '/' and '-', may look like more base64, so decode
// takes the longest that decodes to text. Other formats than text have lengths in them, which a
// cut would make wrong.
func (k *Key) decode(text string, phase, from, to int, allowed *int) (plain []byte, how coding, ok bool) {
	for _, extra := range [...]string{"", "+/", "-_"} {
		if *allowed < 0 {
			return nil, how, false
		}
		p, h, fits := k.decodeWith(text, extra, phase, from, to)
		if *allowed -= h.to - h.from; fits && IsText(p) && (!ok || h.to-h.from > how.to-how.from) {
			plain, how, ok = p, h, true
		}
	}
	return plain, how, ok
}

// decodeWith is decode for letters, digits and extra characters.
func (k *Key) decodeWith(text, extra string, phase, from, to int) (plain []byte, how coding, ok bool) {
	firstIndex, _ := k.ends(phase)
	in := func(c byte) bool { return sixesOf[c] < odd || strings.IndexByte(extra, c) >= 0 }
	before := 0
	for {
		c, size := plainBefore(text[:from])
		if size == 0 || !in(c) {
			break
		}
		from, before = from-size, before+1
	}
	how.from, how.to = from, to
	if (before-firstIndex)%4 != 0 {
		return nil, how, false
	}
	var coded []byte
	for from < len(text) {
		c, size := plainAt(text[from:])
		if size == 0 || !in(c) {
			break
		}
		how.url = how.url || c == '-' || c == '_'
		how.escaped = how.escaped || size == len("%XX")
		coded, from = append(coded, c), from+size
	}
	if from < to {
		return nil, how, false
	}
	for len(coded)%4 != 0 && from < len(text) {
		c, size := plainAt(text[from:])
		if size == 0 || c != '=' {
			break
		}
		how.padded, how.escaped = true, how.escaped || size == len("%XX")
		coded, from = append(coded, c), from+size
	}
	how.to = from
	switch { // where the text does not show it, by custom
	case how.padded:
	case len(coded)%4 == 0:
		how.padded = !how.url
	case extra == "":
		how.url = true
	}
	plain, err := how.encoding().DecodeString(string(coded))
	return plain, how, err == nil
}

// encoding returns the base64 encoding of the text.
func (h *coding) encoding() *base64.Encoding {
	e := base64.RawStdEncoding
	switch {
	case h.url && h.padded:
		e = base64.URLEncoding
	case h.url:
		e = base64.RawURLEncoding
	case h.padded:
		e = base64.StdEncoding
	}
	return e.Strict()
}

// encode encodes a text in the way the original was encoded.
func (h *coding) encode(plain string) string {
	text := h.encoding().EncodeToString([]byte(plain))
	if h.escaped {
		text = strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(text)
	}
	return text
}

// plainAt is codedAt for the character itself.
func plainAt(text string) (c byte, size int) {
	if text[0] != '%' && text[0] != '\\' {
		return text[0], 1
	}
	e := unescape(text, false)
	if e.size == 0 || e.n != 1 {
		return 0, 0
	}
	return e.bytes[0], e.size
}

// plainBefore is codedBefore for the character itself.
func plainBefore(text string) (c byte, size int) {
	if _, size = codedBefore(text); size == 0 {
		return 0, 0
	}
	return plainAt(text[len(text)-size:])
}
