package redact

import (
	"bytes"
	"unicode/utf8"
)

// class says what a byte of a text can be, or what the bytes of a text are.
type class uint16

const (
	separator class = 1 << iota // between name and value
	escape                      // begins one
	plus                        // is one in a URL
	at                          // of a user name in a URL
	slash
	foreign // no ASCII
	inToken // keys may be made of it
	splits  // a token into segments
	endsPart
	hasLetter
	hasDigit
	hasSmall
	hasCapital // of a part: but not as the first letter
	random     // a part that is no word

	both = hasLetter | hasDigit
)

var classOf = func() (t [256]class) {
	set := func(bytes string, c class) {
		for i := range len(bytes) {
			t[bytes[i]] |= c
		}
	}
	set("=:", separator)
	set(`%\`, escape)
	set("+", plus)
	set("@", at)
	set("/", slash)
	set("-_~.+/=:@!$*^|", inToken)
	set("=:@!$*^|", splits)
	set(".+/", endsPart)
	for i := range t {
		switch {
		case i >= utf8.RuneSelf:
			t[i] = foreign
		case 'a' <= i && i <= 'z':
			t[i] = inToken | hasLetter | hasSmall
		case 'A' <= i && i <= 'Z':
			t[i] = inToken | hasLetter | hasCapital
		case '0' <= i && i <= '9':
			t[i] = inToken | hasDigit
		}
	}
	return t
}()

// hintName are the hints that a name of a credential has.
const hintName = hintSecret | hintAuth | hintWord | hintAdded

// mayName reports whether a text, whose bytes are of these classes, may have the name of a
// credential in it and a value, or a credential after a scheme or in a URL.
func (c *Cleaner) mayName(text []byte, in class) bool {
	switch {
	case in&(at|slash) == at|slash:
		return true
	case in&(separator|escape|plus) == 0: // as most: only a scheme needs none of them
		_, _, ok := findScheme(text, 0)
		return ok
	}
	h := c.set.trie.hints(text)
	named := h&(hintName|hintDocument) != 0 || in&foreign != 0
	return named && in&separator != 0 || h&hintScheme != 0
}

// look cuts keys out of the text that are known by value, form or pattern, as they are and
// behind escapes. It reports whether the text may have others, which have to be found by the
// names of their places.
func (c *Cleaner) look() (names bool) {
	text := c.text
	in := c.spot(text)
	names = c.mayName(text, in)
	for level := range c.plain {
		if in&escape == 0 {
			return names
		}
		plain, changed, damaged := unescapeAll(c.plain[level][:0], text)
		c.plain[level] = plain
		names = names || damaged
		if !changed {
			return names
		}
		text = plain
		known := len(c.cuts)
		in = c.spot(text)
		c.locate(c.cuts[known:], level)
		names = names || c.mayName(text, in)
	}
	return names || in&escape != 0
}

// spot looks for keys that are known by value, form or pattern, and says of what classes the
// text is.
func (c *Cleaner) spot(text []byte) class {
	in := c.tokens(text, 0)
	for _, p := range c.set.patterns {
		if prefix, _ := p.LiteralPrefix(); prefix != "" && !bytes.Contains(text, []byte(prefix)) {
			continue
		}
		for _, match := range p.FindAllIndex(text, -1) {
			c.hit(match[0], match[1])
		}
	}
	return in
}

// locate changes cuts of c.plain[level] into cuts of the text.
func (c *Cleaner) locate(cuts []cut, level int) {
	if len(cuts) == 0 {
		return
	}
	for ; level >= 0; level-- {
		source := c.text
		if level > 0 {
			source = c.plain[level-1]
		}
		c.offsets = c.offsets[:0]
		for i := 0; i < len(source); {
			c.offsets = append(c.offsets, i)
			_, size, _ := unescapeByte(source[i:])
			i += size
		}
		c.offsets = append(c.offsets, len(source))
		for i := range cuts {
			cuts[i] = cut{c.offsets[cuts[i].from], c.offsets[cuts[i].to]}
		}
	}
}

// unescapeAll appends text without one level of escapes to dst. changed says that there was
// one, damaged that there was a '%' that begins none.
func unescapeAll(dst, text []byte) (plain []byte, changed, damaged bool) {
	for i := 0; i < len(text); {
		b, size, ok := unescapeByte(text[i:])
		dst = append(dst, b)
		changed = changed || size > 1
		damaged = damaged || !ok
		i += size
	}
	return dst, changed, damaged
}

// unescapeByte is unescape for values: a '+' is one, and what JSON and Go write with a '\'
// is undone, too.
func unescapeByte(text []byte) (c byte, size int, ok bool) {
	switch {
	case text[0] != '%' && text[0] != '\\':
		return text[0], 1, true
	case text[0] == '\\' && len(text) > 1:
		switch text[1] {
		case '\\', '/', '"', '\'':
			return text[1], 2, true
		case 'b', 'f', 'n', 'r', 't':
			return ' ', 2, true
		}
	}
	return unescape(text)
}
