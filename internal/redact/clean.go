package redact

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"
)

// Cleaner cleans texts, one after the other. It is reused and keeps nothing of them.
type Cleaner struct {
	set     *set
	strict  bool // everything that could be a key counts as one
	exempt  bool // but not in this text
	product bool // this text is like a path
	text    []byte
	plain   [maxLevels][]byte // the text without one, two, … levels of escapes
	offsets []int
	decoded []byte
	spare   [][]byte
	reread  int // bytes, see maxReread
	cuts    []cut
	parts   window // of a segment
	steps   []step // of a path
	prose   bool   // text may be more than a URL: pairs are left to those who know quotes

	// Caller is the ID of the key of the request that the texts are about, "" if it is not
	// known. In the path of the request it stands in the place of the key.
	Caller   string
	calledBy string // is Caller if the text is the request's URI
	named    []cut  // in whose place it stands
}

// cut is a part of the text to remove.
type cut struct {
	from, to int
}

var cleaners = sync.Pool{New: func() any { return new(Cleaner) }}

// Cleaner returns a cleaner for several texts. A strict one is for requests without a known
// key: it redacts everything that could be a key. Call Free at the end.
func (n *Names) Cleaner(strict bool) *Cleaner {
	c := cleaners.Get().(*Cleaner)
	c.set, c.strict = n.set.Load(), strict
	return c
}

// IsField is Names.IsField.
func (c *Cleaner) IsField(name string) bool { return c.set.isField(name) }

// IsName is Names.IsName.
func (c *Cleaner) IsName(name string) bool {
	c.prose = false
	c.text = append(append(c.text[:0], name...), '=')
	return c.judge(c.text) != clean
}

// maxRounds is how often a text is looked at, at most. After a cut, what is left can read
// differently than before: a word may have become the end of a value.
const maxRounds = 5

// clean cuts keys out of s; find finds those under names of credentials. It returns s itself
// if there are none, and drops the whole text if it still finds keys after maxRounds.
func (c *Cleaner) clean(s string, find func(*Cleaner)) string {
	for range maxRounds {
		c.text, c.cuts, c.named = append(c.text[:0], s...), c.cuts[:0], c.named[:0]
		c.keysInPaths()
		if c.look() {
			find(c)
			c.each(findScheme)
			c.each(findUserinfo)
		}
		if len(c.cuts) == 0 {
			return s
		}
		s = c.apply(s)
	}
	return Redacted
}

// maxKept is the size in bytes of buffers that are kept for reuse, at most.
const maxKept = 16 << 10

// maxSteps is how many segments of a path are kept room for, at most.
const maxSteps = 256

// Free ends the use of a cleaner.
func (c *Cleaner) Free() {
	c.text, c.decoded = wiped(c.text), wiped(c.decoded)
	for i := range c.plain {
		c.plain[i] = wiped(c.plain[i])
	}
	for i := range c.spare {
		c.spare[i] = wiped(c.spare[i])
	}
	clear(c.steps[:cap(c.steps)])
	if cap(c.steps) > maxSteps {
		c.steps = nil
	}
	c.set, c.cuts, c.prose, c.reread, c.Caller = nil, c.cuts[:0], false, 0, ""
	cleaners.Put(c)
}

func wiped(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	clear(b[:cap(b)])
	return b[:0]
}

// each cuts everything that find finds.
func (c *Cleaner) each(find func(text []byte, from int) (start, end int, ok bool)) {
	for from := 0; ; {
		start, end, ok := find(c.text, from)
		if !ok {
			return
		}
		c.cut(start, end)
		from = end
	}
}

func (c *Cleaner) cut(from, to int) {
	if from < to && string(c.text[from:to]) != Redacted {
		c.cuts = append(c.cuts, cut{from, to})
	}
}

// apply makes the cuts. Those that touch become one.
func (c *Cleaner) apply(s string) string {
	slices.SortFunc(c.cuts, func(a, b cut) int { return cmp.Compare(a.from, b.from) })
	var b strings.Builder
	b.Grow(len(s) + len(c.cuts)*len(Redacted))
	pos := 0
	for i := 0; i < len(c.cuts); {
		merged := c.cuts[i]
		for i++; i < len(c.cuts) && c.cuts[i].from <= merged.to; i++ {
			merged.to = max(merged.to, c.cuts[i].to)
		}
		b.WriteString(s[pos:merged.from])
		if slices.Contains(c.named, merged) {
			b.WriteString(c.calledBy)
		} else {
			b.WriteString(Redacted)
		}
		pos = merged.to
	}
	b.WriteString(s[pos:])
	return b.String()
}

// verdict on a part of a URL.
type verdict int

const (
	clean verdict = iota
	secret
	undecidable
)

// maxLevels is how many times in a row a text may be percent-encoded to be understood.
const maxLevels = 3

// judge looks at a part of a URL that has no separators, as it is and after decoding.
func (c *Cleaner) judge(part []byte) verdict {
	found := c.set.isParameter(part)
	if !c.prose {
		_, isPair := c.set.findPair(part, 0)
		found = found || isPair
	}
	if bytes.ContainsAny(part, `%+\`) {
		hidden, decidable := c.decodeAndLook(part)
		if !decidable {
			return undecidable
		}
		found = found || hidden
	}
	if found {
		return secret
	}
	return clean
}

// decodeAndLook decodes part until it no longer changes. A part is not decidable if it keeps
// changing, has an odd name, or has a damaged escape and something similar to a name.
func (c *Cleaner) decodeAndLook(part []byte) (found, decidable bool) {
	c.decoded = append(c.decoded[:0], part...)
	text, changed, damaged := decode(c.decoded)
	mentioned := damaged && c.set.mentions(part)
	changed = changed || bytes.IndexByte(part, '+') >= 0
	for range maxLevels {
		switch {
		case !changed:
			return found, !mentioned
		case oddName(text):
			return found, false
		}
		found = found || c.isSecret(text)
		mentioned = mentioned || damaged && c.set.mentions(text)
		text, changed, _ = decode(text)
	}
	return found, !mentioned && !changed
}

// oddName reports whether the name of a parameter has a character that readers understand
// differently: not UTF-8, such as overlong forms, or %uXXXX beyond ASCII, which IIS turns
// into a similar letter.
func oddName(text []byte) bool {
	name, _, ok := bytes.Cut(text, []byte{'='})
	return ok && !utf8.Valid(name)
}

func (c *Cleaner) isSecret(text []byte) bool {
	if _, ok := c.set.findPair(text, 0); ok || c.set.isParameter(text) {
		return true
	}
	for _, find := range [...]func([]byte, int) (int, int, bool){findScheme, findUserinfo} {
		if _, _, ok := find(text, 0); ok {
			return true
		}
	}
	return false
}
