package redact

import (
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// Redacted stands in the place of what was taken out.
const Redacted = "REDACTED"

// Names is the set of names under which keys may stand. It is safe for
// concurrent use and only grows, so that it holds the names of every gate there
// ever was: logs are written before a configuration is and after it was.
type Names struct {
	mu  sync.Mutex
	set atomic.Pointer[nameSet]
}

// nameSet is immutable.
type nameSet struct {
	params  map[string]struct{} // as of normalize
	headers map[string]struct{} // as of normalize
}

// NewNames returns a set that holds the usual names of credentials.
func NewNames() *Names {
	n := new(Names)
	n.set.Store(&nameSet{})
	n.AddQuery("apikey", "api_key", "_apikey", "x_api_key", "token", "access_token", "writekey", "write_key")
	n.AddHeader("Authorization", "Proxy-Authorization", "X-API-Key", "Api-Key", "X-Auth-Token")
	return n
}

// AddQuery adds names of query parameters, form fields and JSON members.
func (n *Names) AddQuery(names ...string) {
	n.add(names, nil)
}

// AddHeader adds names of headers.
func (n *Names) AddHeader(names ...string) {
	n.add(nil, names)
}

func (n *Names) add(params, headers []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.set.Load()
	next := &nameSet{params: with(old.params, params), headers: with(old.headers, headers)}
	n.set.Store(next)
}

func with(set map[string]struct{}, names []string) map[string]struct{} {
	next := make(map[string]struct{}, len(set)+len(names))
	maps.Copy(next, set)
	for _, name := range names {
		next[normalize(name)] = struct{}{}
	}
	return next
}

// IsHeader reports whether a header of that name holds a credential. Case does
// not matter, and '_' and '.' are the same as '-'.
func (n *Names) IsHeader(name string) bool {
	_, ok := n.set.Load().headers[normalize(name)]
	return ok
}

// IsName reports whether a parameter, field, member or header of that name holds
// a credential.
func (n *Names) IsName(name string) bool {
	return n.set.Load().has(name)
}

func (s *nameSet) has(name string) bool {
	norm := normalize(name)
	if _, ok := s.params[norm]; ok {
		return true
	}
	_, ok := s.headers[norm]
	return ok
}

// mentioned reports whether a name that cannot be decoded contains one of the
// set.
func (s *nameSet) mentioned(name string) bool {
	norm := normalize(name)
	for param := range s.params {
		if strings.Contains(norm, param) {
			return true
		}
	}
	return false
}

// normalize undoes everything that some backend ignores in a name: up to three
// layers of percent-encoding, case, leading white space, a NUL or bracket and
// what follows, and the difference between '-', '.', ' ' and '_'.
func normalize(name string) string {
	for range 3 {
		decoded, changed := unescape(name)
		if !changed {
			break
		}
		name = decoded
	}
	name = strings.TrimLeftFunc(name, func(r rune) bool { return r <= ' ' || r == '[' })
	if i := strings.IndexAny(name, "\x00[]"); i >= 0 {
		name = name[:i]
	}
	if isNormal(name) {
		return name
	}
	return strings.Map(foldRune, name)
}

func isNormal(name string) bool {
	for i := range len(name) {
		if c := name[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' || c == '-' || c == '.' || c == ' ' || c == '+' {
			return false
		}
	}
	return true
}

func foldRune(r rune) rune {
	switch r {
	case '-', '.', ' ', '+':
		return '_'
	}
	// The smallest rune of a folding orbit stands for it; for letters that is
	// the capital one, which is turned into the small one.
	least := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	return unicode.ToLower(least)
}

// unescape decodes percent-encoded bytes and leaves what is not one.
func unescape(s string) (decoded string, changed bool) {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return s, false
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]) {
			b = append(b, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
			changed = true
			continue
		}
		b = append(b, s[i])
	}
	return string(b), changed
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return c | 0x20 - 'a' + 10
}
