package redact

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Redacted replaces a secret.
const Redacted = "REDACTED"

// Names are what credentials are known by: names of places, by words and as they were added,
// sources that know keys by their digests, and patterns. They are safe for concurrent use: a
// text that is cleaned while something is added may be cleaned without it.
type Names struct {
	mu  sync.Mutex // held by whoever replaces set
	set atomic.Pointer[set]
}

// NewNames returns the names that need no configuration: words of names, and the forms of
// well-known vendors' keys.
func NewNames() *Names {
	n := new(Names)
	n.set.Store(newSet())
	return n
}

// AddQuery adds names of query and form parameters, and of JSON members. Names stay.
func (n *Names) AddQuery(names ...string) { n.add(names, false) }

// AddHeader adds names of header fields and of fields of log entries. In queries and texts
// they are looked for as well.
func (n *Names) AddHeader(names ...string) { n.add(names, true) }

func (n *Names) add(names []string, header bool) {
	n.change(func(s *set) {
		for _, name := range names {
			if c := string(canonical(nil, []byte(name))); c != "" {
				s.insert(c, header)
			}
		}
		s.trie = newTrie(s.words)
	})
}

func (n *Names) addDocuments(names []string) {
	n.change(func(s *set) {
		for _, name := range names {
			c := string(canonical(nil, []byte(name)))
			s.documents[c] = true
			s.mark(c, hintDocument)
		}
		s.trie = newTrie(s.words)
	})
}

// AddSource makes the keys of a source redacted, until remove is called.
func (n *Names) AddSource(k keysync.Knower) (remove func()) {
	added := &k // interfaces may not be comparable
	n.change(func(s *set) { s.sources = append(s.sources, added) })
	return sync.OnceFunc(func() {
		n.change(func(s *set) { s.sources = without(s.sources, added) })
	})
}

// AddPattern makes everything redacted that a pattern matches, until remove is called.
func (n *Names) AddPattern(p *regexp.Regexp) (remove func()) {
	n.change(func(s *set) { s.patterns = append(s.patterns, p) })
	return sync.OnceFunc(func() {
		n.change(func(s *set) { s.patterns = without(s.patterns, p) })
	})
}

// without returns list without one v.
func without[T comparable](list []T, v T) []T {
	i := slices.Index(list, v)
	return slices.Delete(list, i, i+1)
}

// change replaces the set with a copy of it that was changed.
func (n *Names) change(do func(*set)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.set.Load().clone()
	do(next)
	n.set.Store(next)
}

// IsField reports whether name is the name of a field with a credential, in a header or a
// log entry, in any spelling that package fieldname treats as the same.
func (n *Names) IsField(name string) bool { return n.set.Load().isField(name) }

// IsName reports whether name is that of a parameter, member or header field with a
// credential, in any encoding that Query can decode.
func (n *Names) IsName(name string) bool {
	c := n.Cleaner(false)
	defer c.Free()
	return c.IsName(name)
}

// set is never changed once it is stored in Names.
type set struct {
	words   map[string]hint // that names are known by, as letters and digits
	trie    *trie           // of the words
	names   map[string]bool // that were added: canonical, of parameters and headers
	headers map[string]bool // that were added: folded, of fields
	letters []string        // names without punctuation
	inName  [256]bool       // bytes that names are made of
	longest int             // bytes
	sources []*keysync.Knower

	documents map[string]bool // canonical, of parameters only

	patterns []*regexp.Regexp
	paths    []pathPattern
}

// longestWords is how long a name is that is known by its words, at most.
const longestWords = 48

func newSet() *set {
	s := &set{words: words, trie: newTrie(words), names: map[string]bool{}, headers: map[string]bool{}, documents: map[string]bool{}, longest: longestWords}
	for b := range s.inName {
		s.inName[b] = isAlphanumeric(byte(b)) || b >= utf8.RuneSelf || strings.IndexByte("_-. ", byte(b)) >= 0
	}
	return s
}

func (s *set) clone() *set {
	c := *s
	c.words, c.names, c.headers, c.documents = maps.Clone(s.words), maps.Clone(s.names), maps.Clone(s.headers), maps.Clone(s.documents)
	c.letters, c.sources, c.patterns = slices.Clone(s.letters), slices.Clone(s.sources), slices.Clone(s.patterns)
	c.paths = slices.Clone(s.paths)
	return &c
}

func (s *set) insert(name string, header bool) {
	s.names[name] = true
	if header {
		s.headers[fieldname.Fold(name)] = true
	}
	if l := s.mark(name, hintAdded); l != "" && !slices.Contains(s.letters, l) {
		s.letters = append(s.letters, l)
	}
	for i := range len(name) {
		s.inName[name[i]] = true
	}
	s.longest = max(s.longest, len(name))
}

// mark has texts looked at closely that have the letters and digits of a name in them, all if it has none.
func (s *set) mark(name string, h hint) (bare string) {
	bare = string(letters(nil, []byte(name)))
	s.words[bare] |= h
	return bare
}

func (s *set) isField(name string) bool {
	var buf [64]byte
	plain := append(buf[:0], name...)
	if s.trie.hints(plain)&hintName == 0 && !hasForeign(plain) {
		return false
	}
	if s.byWords(plain) {
		return true
	}
	var out [64]byte
	c := canonical(out[:0], plain)
	return s.headers[string(fieldname.Append(c[:0], c))] // in place
}

func hasForeign(name []byte) bool {
	for _, c := range name {
		if c >= utf8.RuneSelf {
			return true
		}
	}
	return false
}

// knows reports whether a source holds a key of this digest.
func (s *set) knows(d keysync.Digest) bool {
	for _, source := range s.sources {
		if (*source).Knows(d) {
			return true
		}
	}
	return false
}

// canonical appends the form of name in which names are compared: without space and control
// bytes around it, cut at NUL and '[' (as PHP does), in lower case, punctuation as '_'.
func canonical(dst, name []byte) []byte {
	for len(name) > 0 && (name[0] <= ' ' || name[0] == 0x7f) {
		name = name[1:]
	}
	for i := 0; i < len(name); {
		c := name[i]
		if c == 0 || c == '[' {
			break
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRune(name[i:])
			dst = utf8.AppendRune(dst, unicode.ToLower(unicode.ToUpper(r)))
			i += size
			continue
		}
		dst = append(dst, canonicalByte(c))
		i++
	}
	for len(dst) > 0 && dst[len(dst)-1] < ' ' {
		dst = dst[:len(dst)-1]
	}
	return dst
}

func canonicalByte(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '-' || c == '.' || c == ' ':
		return '_'
	}
	return c
}

// letters appends the letters and digits of text, in lower case.
func letters(dst, text []byte) []byte {
	for _, c := range text {
		if isAlphanumeric(c) {
			dst = append(dst, canonicalByte(c))
		}
	}
	return dst
}

// lettersOutsideEscapes is letters for a text whose percent-escapes count for
// nothing, damaged or not.
func lettersOutsideEscapes(dst, text []byte) []byte {
	for i := 0; i < len(text); i++ {
		if text[i] == '%' {
			i += 2
			continue
		}
		dst = letters(dst, text[i:i+1])
	}
	return dst
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}
