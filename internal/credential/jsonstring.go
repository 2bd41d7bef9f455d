package credential

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// str reads a string, from after its opening quote to after the closing one. A plain
// string has neither escapes nor non-ASCII characters. plain may be false for a plain
// string.
func (p *parser) str(i int) (end int, plain bool) {
	b, start, seen := p.b, i, uint64(0)
	for len(b)-i >= 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		seen |= x
		if m := special(x); m != 0 {
			i += bits.TrailingZeros64(m) >> 3
			if b[i] == '"' && seen&highBits == 0 {
				return i + 1, true
			}
			break
		}
		i += 8
	}
	return p.strRest(start, i, seen)
}

// strRest reads the rest, from i, of a string that begins at start. The bytes
// before are part of those ORed together in seen.
func (p *parser) strRest(start, i int, seen uint64) (end int, plain bool) {
	for {
		n, s := plainRun(p.b[i:])
		i, seen = i+n, seen|s
		switch {
		case i == len(p.b):
			return p.fail(i, "unexpected end"), false
		case p.b[i] == '"':
			if seen&highBits != 0 && !utf8.Valid(p.b[start:i]) {
				return p.fail(start, "invalid UTF-8 in a string"), false
			}
			return i + 1, false
		case p.b[i] == '\\':
			if i = p.escape(i); i < 0 {
				return -1, false
			}
		default:
			return p.fail(i, "control character in a string"), false
		}
	}
}

const (
	lowBits  = 0x0101010101010101
	highBits = 0x80 * lowBits
)

// plainRun returns the index of the first quote, backslash or control character in b, or
// len(b). seen is bytes ORed together, including all those before it.
func plainRun(b []byte) (n int, seen uint64) {
	for len(b)-n >= 8 {
		x := binary.LittleEndian.Uint64(b[n:])
		seen |= x
		if m := special(x); m != 0 {
			return n + bits.TrailingZeros64(m)>>3, seen
		}
		n += 8
	}
	for ; n < len(b); n++ {
		c := b[n]
		if c == '"' || c == '\\' || c < ' ' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen
}

// special returns x with the high bit set in the first byte that is a quote, a
// backslash or a control character; higher bits mean nothing, and if there is no
// such byte it returns 0. Eight bytes at once: for a byte c below 0x80, c-0x20
// borrows if c is a control character, (c^'"')-1 and (c^'\\')-1 if it is those.
func special(x uint64) uint64 {
	control := x - ' '*lowBits
	quote := x ^ '"'*lowBits - lowBits
	backslash := x ^ '\\'*lowBits - lowBits
	return (control | quote | backslash) &^ x & highBits
}

// escape reads an escape sequence. Surrogates need no partner here.
func (p *parser) escape(i int) int {
	if i+1 >= len(p.b) {
		return p.fail(len(p.b), "unexpected end")
	}
	switch p.b[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 2
	case 'u':
		if _, ok := unhex(p.b, i+2, 4); ok {
			return i + 6
		}
	}
	return p.fail(i, "invalid escape in a string")
}

// unescaped returns the text of a member name, and whether all readers
// understand it alike. It is valid until the next one is unescaped.
func (p *parser) unescaped(raw []byte) (text []byte, clean bool) {
	text, ok := appendUnescaped(p.s.arena.room(len(raw)), raw)
	return text, ok && bytes.IndexByte(text, 0) < 0
}

// appendUnescaped appends the text of a valid string. It tells whether there was
// no lone surrogate, for which it appends U+FFFD. It appends at most len(raw)
// bytes.
func appendUnescaped(dst, raw []byte) (text []byte, ok bool) {
	ok = true
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			dst = append(dst, raw[i])
			continue
		}
		i++
		if raw[i] != 'u' {
			dst = append(dst, simpleEscape(raw[i]))
			continue
		}
		r, _ := unhex(raw, i+1, 4)
		i += 4
		if utf16.IsSurrogate(r) {
			r = pair(r, raw[i+1:])
			if r == utf8.RuneError {
				ok = false
			} else {
				i += 6
			}
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, ok
}

// pair returns the character of the surrogate r with that escaped at the start
// of next, or utf8.RuneError.
func pair(r rune, next []byte) rune {
	if len(next) < 2 || next[0] != '\\' || next[1] != 'u' {
		return utf8.RuneError
	}
	low, _ := unhex(next, 2, 4)
	return utf16.DecodeRune(r, low)
}

func simpleEscape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}
