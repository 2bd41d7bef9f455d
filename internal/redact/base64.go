package redact

const (
	// maxDepth is how many times in a row a text may be in base64 to be understood.
	maxDepth = 2

	// sure is how many bytes have to be text for a text not to be there by chance.
	sure = 64
)

// encoded cuts those parts of a segment that are base64 of something with a key in it. What
// has a '+' or a '/' may be base64 of the standard alphabet, or several parts.
func (c *Cleaner) encoded(text []byte, s segment) {
	for start := s.from; s.end-start >= minToken*4/3; {
		_, part := mixOf(text, start, s.end)
		stretch := part
		for stretch < s.end && text[stretch] != '.' {
			stretch++
		}
		decoded, end := c.decode64(text[start:stretch])
		end += start
		found := c.holdsKey(decoded, s.depth+1)
		if part < stretch && end+4 > part { // it may be that part alone
			d, _ := c.decode64(text[start:part])
			if c.holdsKey(d, s.depth+1) {
				found, stretch = true, part
			}
			c.giveBack(d)
		}
		readable := len(decoded) >= sure
		c.giveBack(decoded)
		switch {
		case found && stretch == s.end:
			c.hit(start, s.padded)
			return
		case found:
			c.hit(start, stretch)
			start = stretch + 1
		case readable:
			start = max(end, part+1)
		default:
			start = part + 1
		}
	}
}

// holdsKey reports whether a text that was decoded has a key in it.
func (c *Cleaner) holdsKey(text []byte, depth int) bool {
	known := len(c.cuts)
	c.search(text, depth, maxLevels)
	found := len(c.cuts) > known
	c.cuts = c.cuts[:known]
	return found
}

// search looks for keys in a text and behind so many levels of escapes.
func (c *Cleaner) search(text []byte, depth, levels int) {
	known := len(c.cuts)
	c.tokens(text, depth)
	if len(text) < minToken || levels == 0 || len(c.cuts) > known {
		return
	}
	plain, changed, _ := unescapeAll(c.borrow(), text)
	if changed {
		c.search(plain, depth, levels-1)
	}
	c.giveBack(plain)
}

// decode64 decodes base64 of both alphabets without padding, as far as it is text, and
// returns where that ends. The result belongs to giveBack.
func (c *Cleaner) decode64(text []byte) (decoded []byte, end int) {
	decoded = c.borrow()
	for i := 0; i+1 < len(text); i += 4 {
		var group uint32
		n := min(4, len(text)-i)
		for _, b := range text[i : i+n] {
			v := valueOf64[b]
			if v > 63 {
				return decoded, i
			}
			group = group<<6 | uint32(v)
		}
		group <<= 6 * (4 - n)
		for j := range n - 1 {
			b := byte(group >> (16 - 8*j))
			if b < ' ' && b != '\n' && b != '\r' && b != '\t' || b == 0x7f {
				return decoded, i
			}
			decoded = append(decoded, b)
		}
	}
	return decoded, len(text)
}

var valueOf64 = func() (t [256]uint8) {
	for i := range t {
		t[i] = 0xff
	}
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	for i := range len(digits) {
		t[digits[i]] = uint8(i)
	}
	t['+'], t['/'], t['-'], t['_'] = 62, 63, 62, 63
	return t
}()

// borrow returns an empty buffer for giveBack.
func (c *Cleaner) borrow() []byte {
	n := len(c.spare)
	if n == 0 {
		return nil
	}
	b := c.spare[n-1]
	c.spare = c.spare[:n-1]
	return b[:0]
}

func (c *Cleaner) giveBack(b []byte) { c.spare = append(c.spare, b) }
