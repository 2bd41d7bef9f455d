package redact

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// pair is a credential name with a separator after it.
type pair struct {
	name int // where the name begins
	sep  int // where '=' or ':' is
}

// findPair returns the first pair at or after from.
func (s *set) findPair(text []byte, from int) (p pair, ok bool) {
	for i := from; i < len(text); i++ {
		if text[i] != '=' && text[i] != ':' {
			continue
		}
		name := s.nameBefore(text, i)
		if name < 0 {
			name = s.escapedNameBefore(text, i)
		}
		if name < 0 {
			name = s.documentBefore(text, i)
		}
		if name >= 0 {
			return pair{name, i}, true
		}
	}
	return pair{}, false
}

// nameBefore returns where the name begins that ends before sep, or -1. Between the two there
// may be space, quotes, escapes, and what PHP cuts off a name: brackets, and NUL with what
// follows it.
func (s *set) nameBefore(text []byte, sep int) int {
	// A name written with foreign letters needs up to three times as many bytes.
	stop := max(0, sep-4*s.longest-64)
	for end := sep; end > stop; {
		for end > stop && closesName(text[end-1]) {
			end--
		}
		start := end
		for start > stop && s.inName[text[start-1]] {
			start--
		}
		if name := s.known(text, start, end); name >= 0 {
			return name
		}
		if name := s.worded(text, stop, end, sep); name >= 0 {
			return name
		}
		if name := s.field(text, stop, start, end); name >= 0 {
			return name
		}
		if start == stop || text[start-1] != '[' && !closesName(text[start-1]) {
			return -1
		}
		end = start - 1
	}
	return -1
}

// documentBefore returns the start of the URL parameter whose name ends at sep, if it is
// a document, else -1.
func (s *set) documentBefore(text []byte, sep int) int {
	if len(s.documents) == 0 || text[sep] != '=' {
		return -1
	}
	var buf [128]byte
	stop := max(0, sep-len(buf))
	i := bytes.LastIndexAny(text[stop:sep], "?&;")
	if i < 0 || !s.documents[string(canonical(buf[:0], text[stop+i+1:sep]))] {
		return -1
	}
	return stop + i + 1
}

// escapedNameBefore is nameBefore for a JSON member whose name has \u escapes. It returns
// where the escapes begin.
func (s *set) escapedNameBefore(text []byte, sep int) int {
	start := max(0, sep-6*s.longest-8)
	i := bytes.Index(text[start:sep], []byte(`\u`))
	if i < 0 {
		return -1
	}
	var buf [512]byte
	decoded, _, _ := decode(append(buf[:0], text[start:sep]...))
	if s.nameBefore(append(decoded, ':'), len(decoded)) < 0 {
		return -1
	}
	return start + i
}

func closesName(c byte) bool {
	return c <= ' ' || c == 0x7f || c == '"' || c == '\'' || c == '`' || c == '\\' || c == ']'
}

// known looks for a name that begins at any boundary in text[start:end] and reaches to its
// end. A boundary is the start, and every character that is not a letter, a digit, '_' or
// '-'.
func (s *set) known(text []byte, start, end int) int {
	var buf [128]byte
	for i := start; i < end; i++ {
		if i > start && isWord(text[i-1]) {
			continue
		}
		if s.names[string(canonical(buf[:0], text[i:end]))] {
			return i
		}
	}
	if s.isNoisy(text[start:end]) {
		return start
	}
	return -1
}

// field is known for names of fields that begin before start, in spellings with punctuation
// that parameters do not have.
func (s *set) field(text []byte, stop, start, end int) int {
	from := start
	for from > stop && isToken(text[from-1]) {
		from--
	}
	var buf [128]byte
	for i := from; i < start; i++ {
		if (i == from || !isWord(text[i-1])) && s.headers[string(fieldname.Append(buf[:0], text[i:end]))] {
			return i
		}
	}
	return -1
}

// worded returns the start of the name that ends at end, if its words make it a name of a
// credential, else -1. An unquoted name before a ':' may also be a host name, or an
// operation on a path.
func (s *set) worded(text []byte, stop, end, sep int) int {
	unquoted := text[sep] == ':' && end == sep
	if unquoted && isPort(text[sep+1:]) {
		return -1
	}
	start := end
	for start > stop && isWordy(text[start-1], text[sep]) {
		start--
	}
	if start == end || unquoted && start > 0 && text[start-1] == '/' || !s.byWords(text[start:end]) {
		return -1
	}
	return start
}

// isWordy reports whether a name before sep may have c in it.
func isWordy(c, sep byte) bool {
	return c >= utf8.RuneSelf || isToken(c) && (sep == ':' || c != '&' && c != '%')
}

// isPort reports whether text begins with a port.
func isPort(text []byte) bool {
	i := 0
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return 0 < i && i <= 5 && (i == len(text) || !isWord(text[i]))
}

// isToken reports whether names of fields may have c in them (RFC 9110, section 5.6.2).
func isToken(c byte) bool {
	return isAlphanumeric(c) || bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) >= 0
}

// isNoisy reports whether name is that of a credential if only letters and digits
// count: some backend may not mind the rest.
func (s *set) isNoisy(name []byte) bool {
	const longest = 128
	if len(name) > longest {
		return false
	}
	var buf [longest]byte
	bare := lettersOutsideEscapes(buf[:0], name)
	return slices.Contains(s.letters, string(bare))
}

func isWord(c byte) bool { return isAlphanumeric(c) || c == '_' || c == '-' }

// isParameter reports whether segment is a query parameter with the name of a credential.
func (s *set) isParameter(segment []byte) bool {
	name, _, ok := bytes.Cut(segment, []byte("="))
	if !ok {
		return false
	}
	var buf [128]byte
	plain := canonical(buf[:0], name)
	return s.byWords(name) || s.names[string(plain)] || s.documents[string(plain)] || s.isNoisy(name)
}

// mentions reports whether text contains a name in any form, ignoring damaged escapes.
func (s *set) mentions(text []byte) bool {
	var buf [256]byte
	return s.trie.hints(text)&hintName != 0 || s.trie.hints(lettersOutsideEscapes(buf[:0], text))&hintName != 0
}

// findUserinfo returns the place of the user name and password in the first URL at or
// after from (RFC 3986, section 3.2.1).
func findUserinfo(text []byte, from int) (start, end int, ok bool) {
	for {
		i := bytes.Index(text[from:], []byte("//"))
		if i < 0 {
			return 0, 0, false
		}
		start = from + i + 2
		authority := text[start:]
		if j := bytes.IndexAny(authority, "/?#\\\"<> \t\r\n"); j >= 0 {
			authority = authority[:j]
		}
		if j := bytes.LastIndexByte(authority, '@'); j > 0 && string(authority[:j]) != Redacted {
			return start, start + j, true
		}
		from = start
	}
}

// schemes are those of RFC 9110, section 11, whose credentials are one token.
var schemes = [][]byte{[]byte("bearer"), []byte("basic")}

// notCredentials follow the name of a scheme in prose.
var notCredentials = map[string]bool{
	"auth": true, "authentication": true, "authorization": true, "credential": true,
	"credentials": true, "error": true, "key": true, "realm": true, "scheme": true,
	"token": true, "tokens": true, Redacted: true,
}

// findScheme returns the place of the credentials after the first name of a scheme at or
// after from.
func findScheme(text []byte, from int) (start, end int, ok bool) {
	for i := from; i < len(text); i++ {
		if c := text[i] | 0x20; c != 'b' || i > 0 && isWord(text[i-1]) {
			continue
		}
		for _, scheme := range schemes {
			start = i + len(scheme)
			if start >= len(text) || !bytes.EqualFold(text[i:start], scheme) || !isSpace(text[start]) {
				continue
			}
			for start < len(text) && isSpace(text[start]) {
				start++
			}
			end = start
			for end < len(text) && text[end] > ' ' && text[end] != '"' {
				end++
			}
			for end > start && bytes.IndexByte([]byte(`.,;:!?)]}\`), text[end-1]) >= 0 {
				end--
			}
			if end > start && !notCredentials[string(bytes.TrimRight(text[start:end], "="))] {
				return start, end, true
			}
		}
	}
	return 0, 0, false
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }
