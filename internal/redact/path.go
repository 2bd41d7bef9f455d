package redact

import (
	"bytes"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// AddPath adds patterns of paths whose segment {key} is a key. A text that has a pattern
// anywhere is cleaned, as a prefix may have been taken off the path that the gate sees; one
// that has no fixed segment before the key is looked for at the beginning of paths only. Those
// that are no pattern are left out.
func (n *Names) AddPath(patterns ...string) {
	n.change(func(s *set) {
		for _, text := range patterns {
			if p, ok := newPathPattern(text); ok {
				s.paths = append(s.paths, p)
			}
		}
	})
}

// pathPattern is a pattern of paths with a key.
type pathPattern struct {
	segments [][]byte // none for one that may be anything
	key      int
	anchored bool // no fixed segment stands before the key
}

func newPathPattern(text string) (p pathPattern, ok bool) {
	pattern, err := config.ParsePattern(text)
	if err != nil {
		return p, false
	}
	p.key, p.anchored = pattern.Index(config.KeySegment), true
	for i, s := range pattern.Segments() {
		var fixed []byte
		if !strings.HasPrefix(s, "{") {
			fixed = []byte(s)
		}
		p.segments = append(p.segments, fixed)
		p.anchored = p.anchored && (i >= p.key || len(fixed) == 0)
	}
	return p, p.key >= 0
}

// step is a segment of a path, as the most lenient reader takes it, and where it stands.
type step struct {
	text     []byte
	from, to int
}

// keysInPaths cuts the keys in all paths in the text. In prose a path ends at a space or a
// quotation mark, in a URL only with a query or a fragment, which may have paths as well.
func (c *Cleaner) keysInPaths() {
	if len(c.set.paths) == 0 || !bytes.ContainsAny(c.text, `/\%`) {
		return
	}
	ends := "?#"
	if c.prose {
		ends = "?# \t\r\n\"'`<>"
	}
	for from := 0; from <= len(c.text); {
		to := c.until(from, len(c.text), ends)
		c.keysInPath(from, to)
		from = to + 1
	}
}

func (c *Cleaner) keysInPath(from, to int) {
	if !bytes.ContainsAny(c.text[from:to], `/\%`) {
		return
	}
	segments := c.pathSegments(from, to)
	root := 0
	if i := bytes.Index(c.text[from:to], []byte("://")); i >= 0 {
		root = 2 // behind "https:" and the host
	}
	for _, p := range c.set.paths {
		for i := range segments {
			if p.anchored && (i != root || c.prose) || !p.matches(segments[i:]) {
				continue
			}
			key := segments[i+p.key]
			c.cutKey(cut{key.from, key.to})
		}
	}
}

func (p *pathPattern) matches(segments []step) bool {
	if len(segments) < len(p.segments) {
		return false
	}
	for i, want := range p.segments {
		if len(want) > 0 && !bytes.EqualFold(want, segments[i].text) {
			return false
		}
	}
	return true
}

// pathSegments splits a path as the most lenient reader does: decoded, with '\' as a slash,
// without empty and dot segments, and without what follows a ';'.
func (c *Cleaner) pathSegments(from, to int) []step {
	all, decoded := c.steps[:0], c.decoded[:0]
	for from <= to {
		end := c.until(from, to, `/\`)
		start := len(decoded)
		decoded = append(decoded, c.text[from:end]...)
		text := decoded[start:]
		for range maxLevels {
			var changed bool
			if text, changed, _ = decode(text); !changed {
				break
			}
		}
		for part := range bytes.FieldsFuncSeq(text, isSlash) {
			part, _, _ = bytes.Cut(part, []byte{';'})
			switch name := bytes.TrimRight(part, ". "); {
			case len(name) > 0:
				all = append(all, step{name, from, end})
			case string(part) == ".." && len(all) > 0:
				all = all[:len(all)-1]
			}
		}
		from = end + 1
	}
	c.steps, c.decoded = all, decoded
	return all
}

func isSlash(r rune) bool { return r == '/' || r == '\\' }

// cutKey is cut for a key in a path.
func (c *Cleaner) cutKey(k cut) {
	if c.calledBy == "" {
		c.cut(k.from, k.to)
		return
	}
	if string(c.text[k.from:k.to]) != c.calledBy {
		c.cuts, c.named = append(c.cuts, k), append(c.named, k)
	}
}
