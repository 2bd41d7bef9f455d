package redact

import (
	"bytes"
	"crypto/sha256"
)

const (
	// minToken is the length of the shortest token that is looked up. One that is not mixed
	// of letters and digits must have minLong bytes, and so must several parts together.
	minToken = 8
	minLong  = 16

	// maxToken is the length of the longest key.
	maxToken = 4096

	// maxParts is how many parts of a token are looked up together, if they do not reach to its
	// end: a path has as many as it likes.
	maxParts    = 8
	maxTail     = 512 // bytes
	maxSegments = 2   // behind the first; the same for a key that has ':' or the like in it
)

// tokens looks for keys among the tokens of a text: whatever is made of the characters that
// keys are made of.
func (c *Cleaner) tokens(text []byte, depth int) {
	for from := 0; from < len(text); from++ {
		end := from
		for end < len(text) && classOf[text[end]]&inToken != 0 {
			end++
		}
		if end-from >= minToken {
			c.token(text, from, end, depth)
		}
		from = end
	}
}

// token looks at a token, and at the segments of it that stand between '=', ':' and the
// like.
func (c *Cleaner) token(text []byte, from, to, depth int) {
	path := c.strict && (c.product || text[from] == '/' || bytes.Contains(text[from:to], []byte("//")))
	for start := from; start < to; {
		end, padded := segmentEnd(text, start, to)
		switch together := c.knownTogether(text, start, padded, to); {
		case together > 0:
			c.hit(start, together)
			padded = together
		case padded-start >= minToken:
			c.segment(text, segment{start, end, padded, path, depth})
		}
		start = max(padded, start+1)
	}
}

// knownTogether returns where a key ends that begins at start and has a ':' or the like in
// it, or 0. The first segment ends at end.
func (c *Cleaner) knownTogether(text []byte, start, end, to int) int {
	for range maxSegments {
		if end >= to {
			return 0
		}
		_, end = segmentEnd(text, end+1, to)
		if token := text[start:end]; worthIt(mixOfAll(token), len(token), 1) && c.isKnown(token) {
			return end
		}
	}
	if token := text[start:to]; end < to && len(token) <= maxTail && worthIt(mixOfAll(token), len(token), 1) && c.isKnown(token) {
		return to
	}
	return 0
}

// segmentEnd returns where a segment ends, and where the padding behind it does.
func segmentEnd(text []byte, from, to int) (end, padded int) {
	end = from
	for end < to && classOf[text[end]]&inSegment != 0 {
		end++
	}
	padded = end
	for padded < to && text[padded] == '=' {
		padded++
	}
	if padded < to && (isWord(text[padded]) || text[padded] == '~') {
		return end, end // a separator
	}
	return end, padded
}

// segment is a part of a token: letters, digits and some punctuation, with padding behind.
type segment struct {
	from, end, padded int
	path              bool // or a URL: parts between slashes are names of something
	depth             int
}

// whole returns 1 if a segment counts as one part: if it is one, or has letters and digits.
func (s segment) whole(text []byte, m mixed) (parts int) {
	if _, end := mixOf(text, s.from, s.end); end < s.end && m&both != both {
		return 2
	}
	return 1
}

func (c *Cleaner) segment(text []byte, s segment) {
	m := mixOfAll(text[s.from:s.end])
	if c.known(text, s, m) || c.strict && !c.exempt && m&both == both && c.suspect(text, s) {
		return
	}
	c.cutShapes(text, s.from, s.end)
	if s.depth < maxDepth && m&hasCapital != 0 { // as all base64 of a dozen bytes
		c.encoded(text, s)
	}
}

// known cuts the keys of a segment that a source holds, and reports whether that is all of
// it. Each part is looked up, and so are several parts together: base64 has '+' and '/' in it.
func (c *Cleaner) known(text []byte, s segment, m mixed) (all bool) {
	if len(c.set.sources) == 0 {
		return false
	}
	if worthIt(m, s.padded-s.from, s.whole(text, m)) && c.isKnown(text[s.from:s.padded]) {
		c.hit(s.from, s.padded)
		return true
	}
	for start := s.from; start < s.end; {
		end := 0
		if m&random != 0 {
			end = c.knownAt(text, s, start)
		} else if _, part := mixOf(text, start, s.end); part-start >= minLong && c.isKnown(text[start:part]) {
			end = part
		}
		if end > 0 {
			c.hit(start, end)
			start = end
			continue
		}
		_, start = mixOf(text, start, s.end)
		start++
	}
	return false
}

// knownAt returns where the key ends that begins at start, or 0.
func (c *Cleaner) knownAt(text []byte, s segment, start int) int {
	mix := mixed(0)
	end := start - 1
	for parts := 1; parts <= maxParts && end < s.end; parts++ {
		var m mixed
		m, end = mixOf(text, end+1, s.end)
		if mix |= m; !worthIt(mix, end-start, parts) {
			continue
		}
		if end == s.end && s.padded > s.end && start > s.from && c.isKnown(text[start:s.padded]) {
			return s.padded
		}
		if (end < s.padded || start > s.from) && c.isKnown(text[start:end]) { // all of it was looked up
			return end
		}
		if end == s.end {
			return 0
		}
	}
	if tail := s.padded - start; mix&random != 0 && tail >= minLong && tail <= maxTail && c.isKnown(text[start:s.padded]) {
		return s.padded
	}
	return 0
}

// mixed says what there is in a text.
type mixed uint8

const (
	hasLetter mixed = 1 << iota
	hasDigit
	hasSmall
	hasCapital // but not as the first letter
	random     // a part that is no word
	endsPart

	both    = hasLetter | hasDigit
	minPart = 5 // bytes that make a part random, if they are mixed
)

// mixOf returns what a part has in it, and where it ends: at a '.', a '+', a '/' or to.
func mixOf(text []byte, from, to int) (m mixed, end int) {
	for end = from; end < to; end++ {
		b := mixOfByte[text[end]]
		if b&endsPart != 0 {
			break
		}
		if end == from {
			b &^= hasCapital
		}
		m |= b
	}
	return m.judged(end - from), end
}

var mixOfByte = func() (t [256]mixed) {
	for i := range t {
		switch {
		case 'a' <= i && i <= 'z':
			t[i] = hasLetter | hasSmall
		case 'A' <= i && i <= 'Z':
			t[i] = hasLetter | hasCapital
		case '0' <= i && i <= '9':
			t[i] = hasDigit
		}
	}
	t['.'], t['+'], t['/'] = endsPart, endsPart, endsPart
	return t
}()

func (m mixed) judged(length int) mixed {
	if length >= minPart && (m&both == both || m&(hasSmall|hasCapital) == hasSmall|hasCapital) {
		m |= random
	}
	return m
}

func mixOfAll(text []byte) (m mixed) {
	for len(text) > 0 {
		part, end := mixOf(text, 0, len(text))
		m |= part
		text = text[min(len(text), end+1):]
	}
	return m
}

// worthIt reports whether so many bytes in so many parts are worth a look-up. Several words
// of a path are not.
func worthIt(m mixed, length, parts int) bool {
	if parts > 1 {
		return m&both == both && m&random != 0 && length >= minLong
	}
	return length >= minLong || m&both == both && length >= minToken
}

func (c *Cleaner) isKnown(token []byte) bool {
	return len(c.set.sources) > 0 && len(token) <= maxToken && c.set.knows(sha256.Sum256(token))
}

// suspect cuts what could be an unknown key, and reports whether that is the whole
// segment. In a path it may be only a part of the segment.
func (c *Cleaner) suspect(text []byte, s segment) (all bool) {
	if !s.path {
		all = couldBeKey(text[s.from:s.padded])
		if all {
			c.hit(s.from, s.padded)
		}
		return all
	}
	for start := s.from; start < s.end; start++ {
		end := start
		for end < s.end && text[end] != '/' && text[end] != '.' {
			end++
		}
		if end == s.end {
			end = s.padded
		}
		if couldBeKey(text[start:end]) {
			c.hit(start, end)
		}
		start = end
	}
	return false
}

// couldBeKey reports whether a text is long enough for a key and has letters and digits.
func couldBeKey(text []byte) bool { return len(text) >= minLong && mixOfAll(text)&both == both }

// hit notes a key in the text that is being looked at.
func (c *Cleaner) hit(from, to int) { c.cuts = append(c.cuts, cut{from, to}) }
