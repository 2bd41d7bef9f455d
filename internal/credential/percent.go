package credential

import (
	"unicode"
	"unicode/utf8"
)

// appendPercentDecoded appends src with %XX decoded and '+' as a space, and
// fails at a bad escape. It appends at most len(src) bytes.
func appendPercentDecoded(dst, src []byte) ([]byte, bool) {
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '+':
			dst = append(dst, ' ')
		case '%':
			v, ok := unhex(src, i+1, 2)
			if !ok {
				return dst, false
			}
			dst = append(dst, byte(v))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst, true
}

// appendUnescapedURI is appendPercentDecoded where '+' is no space.
func appendUnescapedURI(dst, src []byte) ([]byte, bool) {
	for i := 0; i < len(src); i++ {
		c := src[i]
		if c == '%' {
			v, ok := unhex(src, i+1, 2)
			if !ok {
				return dst, false
			}
			c = byte(v)
			i += 2
		}
		dst = append(dst, c)
	}
	return dst, true
}

// damage is what a reader does with a bad escape.
type damage uint8

const (
	keepEscape  damage = iota // leaves it as it is, and knows %uXXXX
	dropPercent               // leaves out the '%'; %uXXXX is an unknown character
	hideEscape                // turns it into an unknown character
)

// appendLenientlyDecoded is appendPercentDecoded for readers that do not fail at a
// bad escape. It appends at most len(src) bytes.
func appendLenientlyDecoded(dst, src []byte, how damage) []byte {
	for i := 0; i < len(src); i++ {
		c := src[i]
		switch c {
		case '+':
			c = ' '
		case '%':
			if v, ok := unhex(src, i+1, 2); ok {
				c = byte(v)
				i += 2
				break
			}
			var n int
			dst, n = appendDamaged(dst, src[i:], how)
			i += n - 1
			continue
		}
		dst = append(dst, c)
	}
	return dst
}

// appendDamaged appends what a reader turns the bad escape at the start of src into, and
// returns the length of the escape.
func appendDamaged(dst, src []byte, how damage) ([]byte, int) {
	v, ok := unhex(src, 2, 4)
	ok = ok && src[1]|0x20 == 'u'
	switch {
	case ok && how == keepEscape:
		return utf8.AppendRune(dst, v), len("%uXXXX")
	case ok:
		return append(dst, unknown), len("%uXXXX")
	case how == keepEscape:
		return append(dst, '%'), 1
	case how == dropPercent:
		return dst, 1
	}
	return append(dst, unknown), min(len("%XX"), len(src))
}

// unhex reads n hexadecimal digits at src[i:].
func unhex(src []byte, i, n int) (rune, bool) {
	if i+n > len(src) {
		return 0, false
	}
	var v rune
	for _, c := range src[i : i+n] {
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

// appendFolded appends src folded: texts that are equal for strings.EqualFold become
// equal.
func appendFolded(dst, src []byte) []byte {
	for len(src) > 0 {
		r, n := utf8.DecodeRune(src)
		src = src[n:]
		dst = utf8.AppendRune(dst, foldRune(r))
	}
	return dst
}

// foldRune returns the smallest rune that differs from r at most in case.
func foldRune(r rune) rune {
	for {
		next := unicode.SimpleFold(r)
		if next <= r {
			return next
		}
		r = next
	}
}
