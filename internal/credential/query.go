package credential

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"
)

// params are the names of the credentials in a query or a form, or of one
// parameter.
type params struct {
	names     names
	exact     bool     // a name with other upper and lower case is ambiguous
	locations []string // by index of name; unread if only removed, embedding for a document, "" for a name that only PHP turns into one
	folded    [][]byte // as of appendFolded, by index of name
	longest   int      // bytes of a name that differs from one of ours in case only, at most
}

func (p *params) init(kind string, list, remove, documents []string) error {
	for _, name := range list {
		if err := p.add(name, kind+name); err != nil {
			return err
		}
	}
	for _, name := range remove {
		if err := p.add(name, unread); err != nil {
			return err
		}
	}
	for _, name := range documents {
		if err := p.add(name, embedding); err != nil {
			return err
		}
	}
	return p.addAliases()
}

// addAliases adds what PHP makes of the names.
func (p *params) addAliases() error {
	for _, name := range slices.Clone(p.names.list) {
		alias := string(phpName(bytes.Clone(name)))
		if p.names.find(alias) >= 0 {
			continue
		}
		if err := p.add(alias, ""); err != nil {
			return err
		}
	}
	return nil
}

func (p *params) add(name, location string) error {
	if err := p.names.add(name); err != nil {
		return err
	}
	p.locations = append(p.locations, location)
	p.folded = append(p.folded, appendFolded(nil, []byte(name)))
	p.longest = max(p.longest, utf8.UTFMax*len(name))
	return nil
}

// Query finds the credentials in a raw query (without the '?') and returns it
// without them: raw itself if nothing was to be cut. Both '&' and ';' separate.
// A parameter is cut with one separator; all other bytes stay. It fails with ErrQuery,
// and returns raw, if a credential cannot be read with certainty.
func (f *Finder) Query(raw string, s *Set) (clean string, err error) {
	if raw == "" || len(f.query.locations) == 0 {
		return raw, nil
	}
	s.query = append(s.query[:0], raw...)
	defer clear(s.query)
	if !f.query.scan(s.query, s) {
		return raw, ErrQuery
	}
	switch {
	case s.HasDocument() && strings.IndexByte(raw, '#') >= 0:
		return raw, ErrQuery // some readers end the query there
	case len(s.cuts) == 0 && !s.HasDocument():
		return raw, nil
	}
	rest, err := f.readDocument(s.query, s)
	if err != nil || string(rest) == raw {
		return raw, err
	}
	return string(rest), nil
}

// Form is Query for an application/x-www-form-urlencoded body. It cuts in place: clean
// starts where body does, unless it is longer. (A document in base64 may get longer by a
// cut.) It fails with ErrForm. With a document it also fails with the errors of package
// embedded and of JSON; then body has been changed.
func (f *Finder) Form(body []byte, s *Set) (clean []byte, err error) {
	if len(f.form.locations) == 0 {
		return body, nil
	}
	if !f.form.scan(body, s) {
		return body, ErrForm
	}
	return f.readDocument(body, s)
}

// scan adds the credentials in b and notes what to cut. It fails if b is ambiguous.
func (p *params) scan(b []byte, s *Set) bool {
	s.cuts, s.document = s.cuts[:0], span{}
	kept := false // a parameter before it stays
	for i := 0; i <= len(b); {
		nameEnd, end, plain := splitParam(b, i)
		m, ok, cut := -1, true, false
		if !plain || p.names.may(b[i:nameEnd]) {
			m, ok = p.match(b[i:nameEnd], plain, s)
		}
		if !ok {
			return false
		}
		switch {
		case m < 0:
		case nameEnd == end && end < len(b) && b[end] == ';':
			return false // the name continues for readers that do not split at ';': "filter[key];x=K"
		case p.locations[m] == unread:
			cut = true
		case p.locations[m] == embedding:
			if !s.addDocument(b, i, nameEnd, end) {
				return false
			}
		default:
			if cut, ok = s.addParam(p.locations[m], b[min(nameEnd+1, end):end]); !ok {
				return false
			}
		}
		switch {
		case !cut && !kept && i > 0 && hasLead(b[i:end]):
			return false // it becomes the first parameter, which some readers read in another way
		case !cut:
			kept = true
		case kept:
			s.cut(i-1, end)
		default:
			s.cut(i, min(end+1, len(b)))
		}
		i = end + 1
	}
	return true
}

// splitParam returns where the name and the parameter that start at i end. A plain name
// needs no decoding, and no folding except of case.
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
		if i <= ' ' || i >= utf8.RuneSelf || bytes.IndexByte([]byte("%+.[]?#"), byte(i)) >= 0 {
			t[i] = paramOdd
		}
	}
	t['='] = paramEquals
	t['&'], t[';'] = paramSeparator, paramSeparator
	return t
}()

// match returns the index of the credential with that raw name, or -1. It fails if a
// backend may read the name as a credential and we do not, or the other way round.
func (p *params) match(raw []byte, plain bool, s *Set) (int, bool) {
	name := raw
	if !plain {
		var ok bool
		if name, ok = appendPercentDecoded(s.arena.room(len(raw)), raw); !ok {
			return -1, !p.mayBeDamaged(raw)
		}
	}
	m := p.names.match(name, plain)
	switch {
	case m < 0:
		return -1, plain || !p.mayBe(name)
	case (p.exact || p.locations[m] == embedding) && !p.names.is(m, name):
		return -1, false
	}
	return m, p.locations[m] != ""
}

// addParam adds the credential with the given raw value, and reports whether to cut the
// parameter. It fails if the value has a bad escape, a space or a control character in
// it.
func (s *Set) addParam(location string, raw []byte) (cut, ok bool) {
	for _, c := range raw {
		if c <= ' ' || c == 0x7f {
			return false, false
		}
	}
	if bytes.IndexByte(raw, '%') < 0 && bytes.IndexByte(raw, '+') < 0 {
		return s.add(location, raw), true
	}
	value, ok := appendPercentDecoded(s.arena.room(len(raw)), raw)
	return ok && s.add(location, value), ok
}
