package redact

const (
	// maxDepth is how many times in a row a text may be in base64 to be understood.
	maxDepth = 2

	// sure is how many bytes must be text, so that it is not text by chance.
	sure = 64

	// maxReread is how many bytes of text a cleaner reads again from one of their later parts,
	// at most: the text of a short part may go on by chance into the base64 behind it.
	maxReread = 16 << 10
)

// encoded cuts those parts of a segment that are base64 of something with a key in it. A
// segment with a '+' or a '/' may be base64 of the standard alphabet, or several parts. In
// base64 no text begins with one of them.
func (c *Cleaner) encoded(text []byte, s segment) {
	stretch := s.from - 1
	for start := s.from; s.end-start >= minToken*4/3; {
		_, part := mixOf(text, start, s.end)
		if part == start {
			start++
			continue
		}
		if stretch < part { // else it is the same one: long ones have many parts
			stretch = stretchEnd(text, part, s.end)
		}
		end, found, read := c.encodedAt(text, start, part, stretch, s.depth)
		switch {
		case found:
			start = c.latest(text, start, end, s.depth)
			if end == s.end {
				end = s.padded
			}
			c.hit(start, end)
			start = end + 1
		case read >= sure && c.reread > maxReread:
			start = max(start+read, part+1)
		default:
			c.reread += read
			start = part + 1
		}
	}
}

// stretchEnd returns the end of the base64 that continues at i.
func stretchEnd(text []byte, i, to int) int {
	for i < to && text[i] != '.' {
		i++
	}
	return i
}

// encodedAt reports whether base64 with a key in it begins at start, and whether it ends
// with the part or with the stretch. read is how much of it is text.
func (c *Cleaner) encodedAt(text []byte, start, part, stretch, depth int) (end int, found bool, read int) {
	if found, read = c.holdsKey(text[start:stretch], depth); !found && read+4 <= part-start {
		return 0, false, read
	}
	if part < stretch {
		if short, _ := c.holdsKey(text[start:part], depth); short {
			return part, true, read
		}
	}
	return stretch, found, read
}

// latest returns the last part from which the base64 contains a key: parts before it can
// be base64 by chance.
func (c *Cleaner) latest(text []byte, start, end, depth int) int {
	next := start
	for range maxParts {
		_, part := mixOf(text, next, end)
		if next = part + 1; next >= end {
			break
		}
		if found, _ := c.holdsKey(text[next:end], depth); found {
			start = next
		}
	}
	return start
}

// holdsKey reports whether base64 has a key in it, and how many bytes of it are text.
func (c *Cleaner) holdsKey(encoded []byte, depth int) (found bool, read int) {
	text, read := decode64(c.borrow(), encoded)
	known := len(c.cuts)
	if len(text) >= minToken {
		c.search(text, depth+1, maxLevels)
	}
	found = len(c.cuts) > known
	c.cuts = c.cuts[:known]
	c.giveBack(text)
	return found, read
}

// search looks for keys in a text and behind so many levels of escapes.
func (c *Cleaner) search(text []byte, depth, levels int) {
	known := len(c.cuts)
	c.tokens(text, depth)
	if levels == 0 || len(c.cuts) > known {
		return
	}
	plain, changed, _ := unescapeAll(c.borrow(), text)
	if changed {
		c.search(plain, depth, levels-1)
	}
	c.giveBack(plain)
}

// decode64 decodes base64 of both alphabets without padding, as far as it is text, appends
// that to dst, and returns where it ends.
func decode64(dst, text []byte) (decoded []byte, end int) {
	for i := 0; i+1 < len(text); i += 4 {
		var group uint32
		n := min(4, len(text)-i)
		for _, b := range text[i : i+n] {
			v := valueOf64[b]
			if v > 63 {
				return dst, i
			}
			group = group<<6 | uint32(v)
		}
		group <<= 6 * (4 - n)
		for j := range n - 1 {
			b := byte(group >> (16 - 8*j))
			if b < ' ' && b != '\n' && b != '\r' && b != '\t' || b == 0x7f {
				return dst, i
			}
			dst = append(dst, b)
		}
	}
	return dst, len(text)
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
