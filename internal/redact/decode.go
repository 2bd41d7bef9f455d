package redact

// decode decodes, in place, one level of %XX, %uXXXX, \uXXXX, \xXX and '+' for a space.
// changed says that there was an escape, damaged that there was a '%' without a valid
// escape.
func decode(text []byte) (decoded []byte, changed, damaged bool) {
	out := 0
	for i := 0; i < len(text); {
		c, size, ok := unescape(text[i:])
		changed = changed || size > 1
		damaged = damaged || !ok
		text[out] = c
		out++
		i += size
	}
	return text[:out], changed, damaged
}

// unescape returns the first byte of text without escaping, and how many bytes it takes
// in text. It replaces a character beyond ASCII by one that no name has.
func unescape(text []byte) (c byte, size int, ok bool) {
	switch {
	case text[0] == '+':
		return ' ', 1, true
	case text[0] != '%' && text[0] != '\\' || len(text) < 2:
		return text[0], 1, text[0] != '%'
	case text[1] == 'u':
		if v, ok := hex(text, 2, 4); ok {
			return byte(min(v, 0xff)), 6, true
		}
	case text[0] == '%':
		if v, ok := hex(text, 1, 2); ok {
			return byte(v), 3, true
		}
	case text[1] == 'x':
		if v, ok := hex(text, 2, 2); ok {
			return byte(v), 4, true
		}
	}
	return text[0], 1, text[0] != '%'
}

// hex reads n hexadecimal digits at text[from].
func hex(text []byte, from, n int) (v int, ok bool) {
	if len(text) < from+n {
		return 0, false
	}
	for _, c := range text[from : from+n] {
		switch {
		case '0' <= c && c <= '9':
			v = v<<4 | int(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			v = v<<4 | int(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return v, true
}
