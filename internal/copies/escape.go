package copies

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// escapes are the first bytes of escapes: percent-encoding, JSON, and the space of a form.
const escapes = `%\+`

// wants tells whether to look for an escape: '+' only means a space.
func (k *Key) wants(escape byte) bool {
	return escape != '+' || (k.split || k.short) && strings.IndexByte(k.text, ' ') >= 0
}

// nextEscaped returns the next place of the key, from an index on, with at least one
// escape, the first of which begins with that byte; to is 0 if there is none.
func (k *Key) nextEscaped(text string, escape byte, floor int) (from, to int) {
	for at := floor; at < len(text); at++ {
		n := strings.IndexByte(text[at:], escape)
		if n < 0 {
			return 0, 0
		}
		at += n
		if escape == '\\' {
			from, to = k.aroundBackslashes(text, floor, at)
			at += backslashes(text[at:]) - 1
		} else {
			from, to = k.around(text, floor, at)
		}
		if to > 0 {
			return from, to
		}
	}
	return 0, 0
}

// aroundBackslashes is around where a number of backslashes begins. They end in the one that
// escapes, or in two or three that do so once more; those before are text.
func (k *Key) aroundBackslashes(text string, floor, at int) (from, to int) {
	n := backslashes(text[at:])
	for own := 2 - n&1; own <= min(n, 3); own += 2 {
		if from, to = k.around(text, floor, at+n-own); to > 0 {
			return from, to
		}
	}
	return 0, 0
}

// around returns the place of the key whose first escape is at an index.
func (k *Key) around(text string, floor, at int) (from, to int) {
	for _, deep := range [...]bool{false, true} {
		c := unescape(text[at:], deep)
		if c.size == 0 {
			continue
		}
		for j := 0; j < len(k.text) && j <= at-floor; j++ {
			n := strings.IndexByte(k.text[j:], c.bytes[0])
			if j += n; n < 0 || j > at-floor {
				break
			}
			if !c.opens(k.text[j:]) || text[at-j:at] != k.text[:j] {
				continue
			}
			if to = k.match(text, at+c.size, j+c.n); to > 0 {
				return at - j, to
			}
		}
	}
	return 0, 0
}

// match returns the end of the rest of the key, key[j:], in text from index i on, or 0 if it
// is not there.
func (k *Key) match(text string, i, j int) int {
	for ; j < len(k.text); i, j = i+1, j+1 {
		if i == len(text) {
			return 0
		}
		if strings.IndexByte(escapes, text[i]) >= 0 {
			for _, deep := range [...]bool{false, true} {
				if c := unescape(text[i:], deep); c.size > 0 && c.opens(k.text[j:]) {
					if to := k.match(text, i+c.size, j+c.n); to > 0 {
						return to
					}
				}
			}
		}
		if text[i] != k.text[j] {
			return 0
		}
	}
	return i
}

// character is the character that an escape means.
type character struct {
	bytes [utf8.UTFMax]byte
	n     int // how many of them
	size  int // of the escape; 0 if it is not an escape
}

// opens tells whether text begins with the character.
func (c *character) opens(text string) bool {
	return len(text) >= c.n && string(c.bytes[:c.n]) == text[:c.n]
}

func oneByte(b byte, size int) character { return character{[utf8.UTFMax]byte{b}, 1, size} }

func oneRune(r rune, size int) (c character) {
	c.n, c.size = utf8.EncodeRune(c.bytes[:], r), size
	return c
}

// unescape reads the escape that text begins with; deep is for one inside the other.
func unescape(text string, deep bool) character {
	switch text[0] {
	case '+':
		return oneByte(' ', 1)
	case '%':
		return percent(text, deep)
	}
	return backslashed(text, deep)
}

// percent reads %XX and %uXXXX, or what is encoded twice: %25XX, %5CuXXXX, %5C%2F.
func percent(text string, deep bool) character {
	if !deep {
		if v, ok := hex(text, 1, 2); ok {
			return oneByte(byte(v), 3)
		}
		if len(text) > 1 && text[1]|0x20 == 'u' {
			if v, ok := hex(text, 2, 4); ok {
				return oneRune(v, 6)
			}
		}
		return character{}
	}
	if strings.HasPrefix(text, "%5C") || strings.HasPrefix(text, "%5c") {
		return percentBackslashed(text)
	}
	i := 1
	for strings.HasPrefix(text[i:], "25") {
		i += 2
	}
	if v, ok := hex(text, i, 2); ok && i > 1 {
		return oneByte(byte(v), i+2)
	}
	return character{}
}

// percentBackslashed reads an escape of JSON whose backslash is percent-encoded.
func percentBackslashed(text string) character {
	const size = len("%5C")
	rest := text[size:]
	switch {
	case rest == "":
	case rest[0] == '/' || rest[0] == '"':
		return oneByte(rest[0], size+1)
	case rest[0] == 'u':
		if v, ok := hex(rest, 1, 4); ok && !utf16.IsSurrogate(v) {
			return oneRune(v, size+5)
		}
	case rest[0] == '%':
		if v, ok := hex(rest, 1, 2); ok && (v == '/' || v == '"') {
			return oneByte(byte(v), size+3)
		}
	}
	return character{}
}

// backslashed reads an escape of JSON, or one of JSON in a string of JSON.
func backslashed(text string, deep bool) character {
	n := backslashes(text)
	switch {
	case !deep && n >= 2:
		return oneByte('\\', 2)
	case deep && n != 2 && n != 3, n == len(text):
		return character{}
	}
	switch c := text[n]; {
	case c == '/' || c == '"':
		return oneByte(c, n+1)
	case c != 'u' || n == 3:
		return character{}
	}
	switch r, ok := hex(text, n+1, 4); {
	case !ok:
		return character{}
	case utf16.IsSurrogate(r):
		return surrogates(text, n, r)
	default:
		return oneRune(r, n+5)
	}
}

// surrogates reads the second half of a character that is escaped in two.
func surrogates(text string, n int, high rune) character {
	second := text[n+5:]
	if len(second) <= n || backslashes(second) != n || second[n] != 'u' {
		return character{}
	}
	low, ok := hex(second, n+1, 4)
	r := utf16.DecodeRune(high, low)
	if !ok || r == utf8.RuneError {
		return character{}
	}
	return oneRune(r, 2*(n+5))
}

func backslashes(text string) int {
	return len(text) - len(strings.TrimLeft(text, `\`))
}

// hex reads n hexadecimal digits at an index.
func hex(text string, i, n int) (v rune, ok bool) {
	if i+n > len(text) {
		return 0, false
	}
	for j := i; j < i+n; j++ {
		c := text[j]
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		v = v<<4 | rune(c)
	}
	return v, true
}
