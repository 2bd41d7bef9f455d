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
// keys are made of. It says of what classes the text is.
func (c *Cleaner) tokens(text []byte, depth int) (all class) {
	for i := 0; i < len(text); i++ {
		from, in, end := i, class(0), class(0)
		for ; i < len(text); i++ {
			if end = classOf[text[i]]; end&inToken == 0 {
				break
			}
			in |= end
		}
		all |= in | end
		if mayBeKey(i-from, in) {
			c.token(text, from, i, in, depth)
		}
	}
	return all
}

// mayBeKey reports whether a token of so many bytes of these classes may be a key, or base64 of
// one. A short word is neither.
func mayBeKey(length int, in class) bool {
	return length >= minToken && (length >= minLong || in&both == both || in&hasCapital != 0)
}

// token looks at a token, and at the segments of it that stand between '=', ':' and the
// like.
func (c *Cleaner) token(text []byte, from, to int, in class, depth int) {
	path := c.strict && (c.product || text[from] == '/' || bytes.Contains(text[from:to], []byte("//")))
	if in&splits == 0 {
		c.segment(text, segment{from, to, to, path, depth})
		return
	}
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
	for end < to && classOf[text[end]]&splits == 0 {
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

// part is a part of a segment, between dots, plus signs and slashes.
type part struct {
	from, end int
	in        class
}

// window is those parts of a segment that come next.
type window struct {
	parts [maxParts]part
	n     int
	next  int // where the part behind them begins
}

// fill takes further parts of text[:to].
func (w *window) fill(text []byte, to int) {
	for w.n < maxParts && w.next <= to {
		in, end := mixOf(text, w.next, to)
		w.parts[w.n] = part{w.next, end, in}
		w.n, w.next = w.n+1, end+1
	}
}

// drop takes out the first n parts.
func (w *window) drop(n int) { w.n = copy(w.parts[:], w.parts[n:w.n]) }

// split begins with the parts of a segment. It returns of what classes they all are, and how
// long the longest is.
func (c *Cleaner) split(text []byte, s segment) (in class, longest int) {
	c.parts.n, c.parts.next = 0, s.from
	c.parts.fill(text, s.end)
	for _, p := range c.parts.parts[:c.parts.n] {
		in, longest = in|p.in, max(longest, p.end-p.from)
	}
	for from := c.parts.next; from <= s.end; {
		more, end := mixOf(text, from, s.end)
		in, longest = in|more, max(longest, end-from)
		from = end + 1
	}
	return in, longest
}

func (c *Cleaner) segment(text []byte, s segment) {
	in, longest := c.split(text, s)
	if c.known(text, s, in) || c.strict && !c.exempt && in&both == both && c.suspect(text, s) {
		return
	}
	if longest >= minKey { // else no form fits
		c.cutShapes(text, s.from, s.end)
	}
	if s.depth < maxDepth && in&hasCapital != 0 { // as all base64 of a dozen bytes
		c.encoded(text, s)
	}
}

// known cuts the keys of a segment that a source holds, and reports whether that is all of
// it. Each part is looked up, and so are several parts together: base64 has '+' and '/' in it.
func (c *Cleaner) known(text []byte, s segment, in class) (all bool) {
	if len(c.set.sources) == 0 {
		return false
	}
	w := &c.parts
	whole := 1 // also of several parts, if it has letters and digits
	if w.n > 1 && in&both != both {
		whole = 2
	}
	if worthIt(in, s.padded-s.from, whole) && c.isKnown(text[s.from:s.padded]) {
		c.hit(s.from, s.padded)
		return true
	}
	for ; w.n > 0; w.fill(text, s.end) {
		p, last, end := w.parts[0], 0, 0
		if in&random != 0 {
			last, end = c.knownAt(text, s)
		} else if p.end-p.from >= minLong && c.isKnown(text[p.from:p.end]) {
			end = p.end
		}
		if end == 0 {
			w.drop(1)
			continue
		}
		c.hit(p.from, end)
		if end >= s.end {
			break
		}
		w.drop(last)
		w.parts[0] = part{from: end, end: end} // the next key may begin with a slash
	}
	return false
}

// knownAt returns where the key ends that begins with the first part of the window, and with
// what part it does, or 0.
func (c *Cleaner) knownAt(text []byte, s segment) (last, end int) {
	in, start := class(0), c.parts.parts[0].from
	for last, p := range c.parts.parts[:c.parts.n] {
		if in |= p.in; !worthIt(in, p.end-start, last+1) {
			continue
		}
		if p.end == s.end && s.padded > s.end && start > s.from && c.isKnown(text[start:s.padded]) {
			return last, s.padded
		}
		if (p.end < s.padded || start > s.from) && c.isKnown(text[start:p.end]) { // all of it was looked up
			return last, p.end
		}
		if p.end == s.end {
			return 0, 0
		}
	}
	if tail := s.padded - start; in&random != 0 && tail >= minLong && tail <= maxTail && c.isKnown(text[start:s.padded]) {
		return 0, s.padded
	}
	return 0, 0
}

// minPart is how many bytes make a part random, if they are mixed.
const minPart = 5

// mixOf returns what a part has in it, and where it ends: at a '.', a '+', a '/' or to.
func mixOf(text []byte, from, to int) (in class, end int) {
	for end = from; end < to; end++ {
		b := classOf[text[end]]
		if b&endsPart != 0 {
			break
		}
		if end == from {
			b &^= hasCapital
		}
		in |= b
	}
	if end-from >= minPart && (in&both == both || in&(hasSmall|hasCapital) == hasSmall|hasCapital) {
		in |= random
	}
	return in, end
}

func mixOfAll(text []byte) (in class) {
	for len(text) > 0 {
		part, end := mixOf(text, 0, len(text))
		in |= part
		text = text[min(len(text), end+1):]
	}
	return in
}

// worthIt reports whether so many bytes in so many parts are worth a look-up. Several words
// of a path are not.
func worthIt(in class, length, parts int) bool {
	if parts > 1 {
		return in&both == both && in&random != 0 && length >= minLong
	}
	return length >= minLong || in&both == both && length >= minToken
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
