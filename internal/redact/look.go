package redact

import (
	"bytes"
	"unicode/utf8"
)

// class says what a byte of a text can be.
type class uint8

const (
	separator class = 1 << iota // between name and value
	escape                      // begins one
	at                          // of a user name in a URL
	slash
	foreign   // no ASCII
	inToken   // keys may be made of it
	inSegment // the same, and it is neither '=' nor what rarely is part of a key
)

var classOf = func() (t [256]class) {
	set := func(bytes string, c class) {
		for i := range len(bytes) {
			t[bytes[i]] |= c
		}
	}
	set("=:", separator)
	set(`%\`, escape)
	set("@", at)
	set("/", slash)
	set("-_~.+/=:@!$*^|", inToken)
	set("-_~.+/", inSegment)
	for i := range t {
		switch {
		case i >= utf8.RuneSelf:
			t[i] = foreign
		case isAlphanumeric(byte(i)):
			t[i] = inToken | inSegment
		}
	}
	return t
}()

// view is what one look at a text tells.
type view struct {
	classes  class // that its bytes have
	hints    hint
	hasToken bool // something is long enough for a key
}

// hintName are the hints that a name of a credential has.
const hintName = hintSecret | hintAuth | hintWord | hintAdded

func (c *Cleaner) survey(text []byte) (v view) {
	next, found := c.set.trie.next, c.set.trie.found
	state, run := 0, 0
	for _, b := range text {
		k := classOf[b]
		v.classes |= k
		if state = int(next[state*symbols+int(symbolOf[b])]); found[state] != 0 {
			v.hints = v.hints.and(found[state])
		}
		if run++; k&inToken == 0 {
			run = 0
		}
		v.hasToken = v.hasToken || run >= minToken
	}
	return v
}

// mayName reports whether a text may have the name of a credential in it and a value, or a
// credential after a scheme or in a URL.
func (c *Cleaner) mayName(v view) bool {
	named := v.hints&(hintName|hintDocument) != 0 || v.classes&foreign != 0
	return named && v.classes&separator != 0 || v.hints&hintScheme != 0 || v.classes&(at|slash) == at|slash
}

// look cuts keys out of the text that are known by value, form or pattern, as they are and
// behind escapes. It reports whether the text may have others, which have to be found by the
// names of their places.
func (c *Cleaner) look() (names bool) {
	text, v := c.text, c.survey(c.text)
	c.spot(text, v)
	names = c.mayName(v)
	for level := range c.plain {
		if v.classes&escape == 0 {
			return names
		}
		plain, changed, damaged := unescapeAll(c.plain[level][:0], text)
		c.plain[level] = plain
		names = names || damaged
		if !changed {
			return names
		}
		text, v = plain, c.survey(plain)
		known := len(c.cuts)
		c.spot(text, v)
		c.locate(c.cuts[known:], level)
		names = names || c.mayName(v)
	}
	return names || v.classes&escape != 0
}

// spot looks for keys that are known by value, form or pattern.
func (c *Cleaner) spot(text []byte, v view) {
	if v.hasToken {
		c.tokens(text, 0)
	}
	for _, p := range c.set.patterns {
		if prefix, _ := p.LiteralPrefix(); prefix != "" && !bytes.Contains(text, []byte(prefix)) {
			continue
		}
		for _, match := range p.FindAllIndex(text, -1) {
			c.hit(match[0], match[1])
		}
	}
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
