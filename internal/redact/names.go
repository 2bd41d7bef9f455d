package redact

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// Redacted stands in the place of a secret.
const Redacted = "REDACTED"

// parameters are the names under which event-ingest services commonly take credentials.
var parameters = []string{
	"apikey", "_apikey", "api_key", "x-api-key", "x-apikey", "write_key", "writekey",
	"token", "access_token", "auth_token", "api_token", "client_secret", "secret", "password",
}

var headers = []string{
	"Authorization", "Proxy-Authorization", "X-API-Key", "X-ApiKey", "Api-Key", "ApiKey",
	"X-Auth-Token", "X-Access-Token", "X-Vault-Token",
}

// Names is a set of names that credentials have in queries, forms and headers. It only
// grows, and is safe for concurrent use: a text that is cleaned while a name is added may be
// cleaned without it.
type Names struct {
	mu  sync.Mutex // held by whoever replaces set
	set atomic.Pointer[set]
}

// NewNames returns a set with the usual names of API keys and tokens, wherever they stand,
// and Authorization and Proxy-Authorization.
func NewNames() *Names {
	n := new(Names)
	n.set.Store(&set{})
	n.AddHeader(parameters...)
	n.AddHeader(headers...)
	return n
}

// AddQuery adds names of query and form parameters, and of JSON members.
func (n *Names) AddQuery(names ...string) { n.add(names, false) }

// AddHeader adds names of header fields and of fields of log entries. In queries and texts
// they are looked for as well.
func (n *Names) AddHeader(names ...string) { n.add(names, true) }

// IsField reports whether name is that of a field with a credential, in a header or in a log
// entry, in any of the spellings that package fieldname takes for one.
func (n *Names) IsField(name string) bool {
	var buf [64]byte
	c := canonical(buf[:0], []byte(name))
	return n.set.Load().headers[string(fieldname.Append(c[:0], c))] // in place
}

// IsName reports whether name is that of a parameter, member or header field with a
// credential, written in any of the ways that Query sees through.
func (n *Names) IsName(name string) bool {
	c := cleaners.Get().(*cleaner)
	defer c.free()
	c.set = n.set.Load()
	c.text = append(append(c.text[:0], name...), '=')
	return c.judge(c.text) != clean
}

func (n *Names) add(names []string, header bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.set.Load().clone()
	for _, name := range names {
		if c := string(canonical(nil, []byte(name))); c != "" {
			next.insert(c, header)
		}
	}
	n.set.Store(next)
}

func (n *Names) addDocuments(names []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.set.Load().clone()
	for _, name := range names {
		next.documents[string(canonical(nil, []byte(name)))] = true
	}
	n.set.Store(next)
}

// set is never changed once it is stored in Names.
type set struct {
	names   map[string]bool // canonical, of parameters and headers
	headers map[string]bool // folded, of fields
	letters []string        // names without punctuation

	documents map[string]bool // canonical, of parameters only

	inName  [256]bool // bytes that names are made of
	longest int       // bytes
}

func (s *set) clone() *set {
	c := *s
	c.names, c.headers, c.letters = maps.Clone(s.names), maps.Clone(s.headers), slices.Clone(s.letters)
	c.documents = maps.Clone(s.documents)
	if c.names == nil {
		c.names, c.headers, c.documents = map[string]bool{}, map[string]bool{}, map[string]bool{}
		for b := range c.inName {
			c.inName[b] = isAlphanumeric(byte(b)) || b >= utf8.RuneSelf || strings.IndexByte("_-. ", byte(b)) >= 0
		}
	}
	return &c
}

func (s *set) insert(name string, header bool) {
	s.names[name] = true
	if header {
		s.headers[fieldname.Fold(name)] = true
	}
	if l := string(letters(nil, []byte(name))); l != "" && !slices.Contains(s.letters, l) {
		s.letters = append(s.letters, l)
	}
	for i := range len(name) {
		s.inName[name[i]] = true
	}
	s.longest = max(s.longest, len(name))
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
