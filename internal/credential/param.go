package credential

import (
	"errors"
	"strings"
)

// Param is a query parameter whose value names a resource. Its name is compared
// as those of credentials are.
type Param struct {
	params params
}

// NewParam returns the parameter of that name.
func NewParam(name string) (*Param, error) {
	p := new(Param)
	return p, p.params.init("", []string{name}, nil)
}

// Value returns the value of the parameter in a raw query; ok is false if it is
// absent or empty. It fails with ErrQuery if backends may read another value:
// if the parameter is there twice with different values, cannot be decoded, or
// if the query has a ';', which separates parameters for some and not for
// others.
func (p *Param) Value(raw string) (value string, ok bool, err error) {
	if raw == "" {
		return "", false, nil
	}
	s := GetSet()
	defer PutSet(s)
	if strings.Contains(raw, ";") || !p.params.scan([]byte(raw), s) {
		return "", false, ErrQuery
	}
	found, err := s.One(false)
	switch {
	case errors.Is(err, ErrMissing):
		return "", false, nil
	case err != nil || found.Malformed || s.blank:
		return "", false, ErrQuery
	}
	return string(found.Key), true, nil
}
