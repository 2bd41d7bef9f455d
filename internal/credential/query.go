package credential

import (
	"bytes"
	"slices"
	"unicode/utf8"
)

// params are the names of the credentials in a query or a form.
type params struct {
	names     names
	locations []string // by index of name; "" for what is cut unread
	folded    [][]byte // as of appendFolded, by index of name
}

func (p *params) init(kind string, list, remove []string) error {
	for i, name := range slices.Concat(list, remove) {
		if err := p.names.add(name, false); err != nil {
			return err
		}
		location := kind + name
		if i >= len(list) {
			location = ""
		}
		p.locations = append(p.locations, location)
		p.folded = append(p.folded, appendFolded(nil, []byte(name)))
	}
	return nil
}

// Query finds the credentials in a raw query (without the '?') and returns it
// without them: raw itself if nothing was to be cut. Both '&' and ';' separate.
// A parameter goes with one separator, all other bytes stay. It fails with
// ErrQuery, and returns raw, if a credential cannot be read with certainty.
func (f *Finder) Query(raw string, s *Set) (clean string, err error) {
	if raw == "" || len(f.query.locations) == 0 {
		return raw, nil
	}
	s.query = append(s.query[:0], raw...)
	defer clear(s.query)
	if !f.query.scan(s.query, s) {
		return raw, ErrQuery
	}
	if f.keep || len(s.cuts) == 0 {
		return raw, nil
	}
	return string(s.compact(s.query)), nil
}

// Form is Query for an application/x-www-form-urlencoded body. It cuts in
// place; clean starts where body does. It fails with ErrForm.
func (f *Finder) Form(body []byte, s *Set) (clean []byte, err error) {
	if len(f.form.locations) == 0 {
		return body, nil
	}
	if !f.form.scan(body, s) {
		return body, ErrForm
	}
	if f.keep {
		return body, nil
	}
	return s.compact(body), nil
}

// scan adds the credentials in b and notes what is to be cut. It fails if b is
// ambiguous.
func (p *params) scan(b []byte, s *Set) bool {
	s.cuts = s.cuts[:0]
	kept := false // a parameter that stays precedes
	for i := 0; i <= len(b); {
		nameEnd, end, plain := splitParam(b, i)
		m, ok := p.match(b[i:nameEnd], plain, s)
		if !ok {
			return false
		}
		switch {
		case m < 0:
			kept = true
		case p.locations[m] != "" && !s.addParam(p.locations[m], b[min(nameEnd+1, end):end]):
			return false
		case kept:
			s.cut(i-1, end)
		default:
			s.cut(i, min(end+1, len(b)))
		}
		i = end + 1
	}
	return true
}

// splitParam returns where the name and where the parameter end that start at
// i. A plain name is what it says: it has nothing to decode or to fold but case.
func splitParam(b []byte, i int) (nameEnd, end int, plain bool) {
	plain = true
	for ; i < len(b); i++ {
		switch paramBytes[b[i]] {
		case paramSeparator:
			return i, i, plain
		case paramEquals:
			for end = i + 1; end < len(b) && paramBytes[b[end]] != paramSeparator; end++ {
			}
			return i, end, plain
		case paramOdd:
			plain = false
		}
	}
	return i, i, plain
}

const (
	paramPlain = iota
	paramOdd
	paramEquals
	paramSeparator
)

// paramBytes says what a byte means in a query.
var paramBytes = func() (t [256]uint8) {
	for i := range t {
		if i <= ' ' || i >= utf8.RuneSelf || bytes.IndexByte([]byte("%+.[]"), byte(i)) >= 0 {
			t[i] = paramOdd
		}
	}
	t['='] = paramEquals
	t['&'], t[';'] = paramSeparator, paramSeparator
	return t
}()

// match returns the index of the credential that the raw name is, or -1. It
// fails if a backend may take the name for a credential that we do not.
func (p *params) match(raw []byte, plain bool, s *Set) (int, bool) {
	if plain {
		return p.names.match(raw, true), true
	}
	decoded, ok := appendPercentDecoded(s.arena.room(len(raw)), raw)
	if !ok {
		return -1, !p.mentioned(appendLenientlyDecoded(nil, raw))
	}
	if i := p.names.match(decoded, false); i >= 0 {
		return i, true
	}
	return -1, !p.near(decoded)
}

// mentioned tells whether a name that cannot be decoded has a credential's name
// in it, whatever surrounds it.
func (p *params) mentioned(name []byte) bool {
	name = appendFolded(nil, name)
	for _, folded := range p.folded {
		if bytes.Contains(name, folded) {
			return true
		}
	}
	return false
}

// near tells whether some backends make a credential's name of name, which it
// overwrites: they end it at a NUL, drop leading white space (PHP), take
// brackets for arrays ("key[]", "[key]": PHP, Rack, qs), and turn ' ', '.' and
// a lone '[' into '_' (PHP).
func (p *params) near(name []byte) bool {
	name, _, _ = bytes.Cut(name, []byte{0})
	name = bytes.TrimLeft(name, " \t\r\n\v\f[]")
	if p.names.match(beforeBracket(name), false) >= 0 {
		return true
	}
	for i, c := range name {
		if c == ' ' || c == '.' {
			name[i] = '_'
		}
	}
	if p.names.match(beforeBracket(name), false) >= 0 {
		return true
	}
	for i, c := range name {
		if c == '[' {
			name[i] = '_'
		}
	}
	return p.names.match(name, false) >= 0
}

func beforeBracket(name []byte) []byte {
	if i := bytes.IndexAny(name, "[]"); i >= 0 {
		return name[:i]
	}
	return name
}

// addParam adds the credential with the given raw value. It fails if the value
// has a bad escape, a space or a control character in it.
func (s *Set) addParam(location string, raw []byte) bool {
	for _, c := range raw {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		s.add(location, raw)
		return true
	}
	value, ok := appendPercentDecoded(s.arena.room(len(raw)), raw)
	if ok {
		s.add(location, value)
	}
	return ok
}
