package credential

import (
	"bytes"
	"errors"
	"strings"
	"unicode"
)

// Param is a query parameter that names a resource or is required. If backends may read
// another one, or none, it fails with ErrQuery: its name must be spelled exactly, and
// other names that some backends read as this one are ambiguous. So is '#', because some
// backends end the query there.
type Param struct {
	params params
}

// NewParam returns the parameter with that name.
func NewParam(name string) (*Param, error) {
	p := &Param{params{exact: true}}
	return p, p.params.init("", []string{name}, nil, nil)
}

// Value returns the value of the parameter in a raw query; ok is false if it is
// absent or empty. It fails with ErrQuery if backends may read another value:
// if the parameter is given twice with different values, cannot be decoded, or if the
// query has a ';', which separates parameters only for some backends.
func (p *Param) Value(raw string) (value string, ok bool, err error) {
	if raw == "" {
		return "", false, nil
	}
	s := GetSet()
	defer PutSet(s)
	if strings.ContainsAny(raw, ";#") || !p.params.scan([]byte(raw), s) {
		return "", false, ErrQuery
	}
	found, err := s.One(false)
	switch {
	case errors.Is(err, ErrMissing):
		return "", false, nil
	case err != nil || found.Malformed || s.blank || bytes.ContainsFunc(found.Key, isControl):
		return "", false, ErrQuery
	}
	return string(found.Key), true, nil
}

// Present tells whether the parameter is in a raw query, at least once, and no value of
// it is empty or white space. It fails with ErrQuery if backends may disagree.
func (p *Param) Present(raw string) (bool, error) {
	if strings.IndexByte(raw, '#') >= 0 {
		return false, ErrQuery
	}
	s := GetSet()
	defer PutSet(s)
	b, present, blank := []byte(raw), false, false
	for i := 0; i <= len(b); {
		nameEnd, end, plain := splitParam(b, i)
		m, ok := p.params.match(b[i:nameEnd], plain, s)
		if !ok || m >= 0 && i > 0 && b[i-1] == ';' {
			return false, ErrQuery
		}
		if m >= 0 {
			value, ok := appendPercentDecoded(nil, b[min(nameEnd+1, end):end])
			if !ok || hasLateName(b[i:]) {
				return false, ErrQuery
			}
			present, blank = true, blank || isBlank(value)
		}
		i = end + 1
	}
	return present && !blank, nil
}

// hasLateName tells whether, for some readers, the name of the parameter at the start of
// b ends after its first '=': at "]=" (qs).
func hasLateName(b []byte) bool {
	b, _, _ = bytes.Cut(b, []byte{'&'})
	return bytes.Contains(b, []byte("]=")) || bytes.Contains(b, []byte("%5D=")) || bytes.Contains(b, []byte("%5d="))
}

// isBlank tells whether text has nothing visible in it: only white space, control and
// format characters.
func isBlank(text []byte) bool {
	return !bytes.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsSpace(r) && !unicode.In(r, unicode.Cc, unicode.Cf)
	})
}
