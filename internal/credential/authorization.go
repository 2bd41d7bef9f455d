package credential

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
)

// scheme is a scheme of the Authorization header that is looked for.
type scheme struct {
	name     string
	location string // unread for what is only removed
	// take adds the credential that follows the name, and reports whether it is to go.
	take func(s *Set, location, rest string) (cut bool)
	// params says that parameters may follow, which commas separate.
	params bool
}

// addSchemes compiles Bearer, Basic and Schemes, and those of Remove.
func (f *Finder) addSchemes(o Options) error {
	var all []scheme
	if o.Bearer {
		all = append(all, scheme{name: "Bearer", location: "bearer", take: (*Set).addBearer})
	}
	switch o.Basic {
	case "":
	case "any", "user", "password":
		all = append(all, scheme{name: "Basic", location: "basic", take: func(s *Set, location, rest string) bool { return s.addBasic(location, rest, o.Basic) }})
	default:
		return fmt.Errorf("unknown part %q of basic: use any, user or password", o.Basic)
	}
	for _, name := range o.Schemes {
		all = append(all, scheme{name: name, location: "scheme " + name, take: (*Set).addToken, params: true})
	}
	if o.Remove.Bearer {
		all = append(all, scheme{name: "Bearer", location: unread})
	}
	if o.Remove.Basic {
		all = append(all, scheme{name: "Basic", location: unread})
	}
	for _, name := range o.Remove.Schemes {
		all = append(all, scheme{name: name, location: unread})
	}
	for _, sc := range all {
		if sc.name == "" || tokenLen(sc.name) < len(sc.name) {
			return fmt.Errorf("%q is not a scheme (RFC 9110): correct it", sc.name)
		}
		if f.scheme(sc.name) != nil {
			return fmt.Errorf("scheme %q is given twice: remove one", sc.name)
		}
		f.schemes = append(f.schemes, sc)
	}
	return nil
}

// scheme returns the scheme of that name, nil if it is not looked for.
func (f *Finder) scheme(name string) *scheme {
	for i := range f.schemes {
		if strings.EqualFold(f.schemes[i].name, name) {
			return &f.schemes[i]
		}
	}
	return nil
}

// authorization adds the credentials of a value, which may have several separated by commas.
// It returns the rest, which belongs to other schemes: v itself if there are no credentials.
func (f *Finder) authorization(v string, s *Set) (rest string) {
	var others []string
	var own *scheme // of the previous part
	found := false
	for tail, first, more := v, true, true; more; first = false {
		var part string
		part, tail, more = strings.Cut(tail, ",")
		if part = trimOWS(part); part == "" {
			continue
		}
		var cut bool
		if own, cut = f.part(part, own, first, s); cut {
			found = true
		} else if tail != "" || !first {
			others = append(others, part)
		}
	}
	if !found {
		return trimOWS(v)
	}
	return strings.Join(others, ", ")
}

// part adds the credential in part, if its scheme is a location, and returns the scheme, else
// nil. cut says whether to remove the part. A part without a scheme continues the part before
// it: with a parameter, or because its token has a comma, which is malformed.
func (f *Finder) part(part string, before *scheme, first bool, s *Set) (own *scheme, cut bool) {
	n := tokenLen(part)
	name, rest := part[:n], part[n:]
	parameter := !first && strings.HasPrefix(trimOWS(rest), "=")
	if !parameter {
		own = f.scheme(name)
	}
	switch {
	case own != nil && own.location == unread:
		return own, true
	case own != nil:
		return own, own.take(s, own.location, rest)
	case before == nil || !parameter && name != "" && rest != "" && isOWS(rest[0]):
		return nil, false
	case before.params && parameter && !strings.EqualFold(name, tokenParam):
		return before, true
	}
	return before, s.addMalformed(before.location, []byte(part))
}

// addBearer adds the text after the scheme: a token.
func (s *Set) addBearer(location, rest string) (cut bool) {
	token, ok := token68(rest)
	if !ok {
		return s.addMalformed(location, []byte(rest))
	}
	return s.addString(location, token)
}

// addBasic adds the text after the scheme: base64 of user:password, with or without
// padding.
func (s *Set) addBasic(location, rest, part string) (cut bool) {
	token, ok := token68(rest)
	if !ok {
		return s.addMalformed(location, []byte(rest))
	}
	s.query = append(s.query[:0], strings.TrimRight(token, "=")...)
	pair, err := base64.RawStdEncoding.AppendDecode(s.arena.room(len(token)), s.query)
	clear(s.query)
	user, password, colon := bytes.Cut(pair, []byte(":"))
	switch {
	case err != nil || !colon:
		return s.addMalformed(location, []byte(rest))
	case part == "user", part == "any" && len(password) == 0:
		return s.add(location, user)
	default:
		return s.add(location, password)
	}
}

// token68 reads one or more spaces and the token68 of RFC 9110 (section 11.4),
// which is the b64token of RFC 6750.
func token68(s string) (string, bool) {
	if s == "" || s[0] != ' ' {
		return "", false
	}
	s = strings.TrimLeft(s, " ")
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !token68Bytes[body[i]] {
			return "", false
		}
	}
	return s, body != ""
}
