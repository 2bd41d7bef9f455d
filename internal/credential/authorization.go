package credential

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"strings"
)

// authorization finds the credentials in an Authorization header of h and deletes
// them. Values of other schemes stay for the backend.
func (f *Finder) authorization(h http.Header, hit hit, s *Set) {
	values := hit.values
	kept := 0
	for _, v := range values {
		rest := f.schemes(v, s)
		if !f.keep && rest != "" {
			values[kept] = rest
			kept++
		}
	}
	switch {
	case f.keep:
	case kept == 0:
		delete(h, hit.name)
	default:
		clear(values[kept:])
		h[hit.name] = values[:kept]
	}
}

// schemes adds the credentials of a value, of which comma may join several, and
// returns what belongs to other schemes: v itself if that is all of it.
func (f *Finder) schemes(v string, s *Set) (rest string) {
	var others []string
	own := "" // location of the scheme that the part before belongs to
	found := false
	for tail, first, more := v, true, true; more; first = false {
		var part string
		part, tail, more = strings.Cut(tail, ",")
		if part = trimOWS(part); part == "" {
			continue
		}
		own = f.scheme(part, own, first, s)
		if own != "" {
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

// unread is the location of a scheme that is cut but is no credential.
const unread = "unread"

// scheme adds the credential in part, if its scheme is looked for, and returns
// its location, otherwise "". A part without a scheme of its own continues the
// one before it: a scheme with a comma in its token, hence malformed.
func (f *Finder) scheme(part, before string, first bool, s *Set) (location string) {
	n := tokenLen(part)
	scheme, rest := part[:n], part[n:]
	parameter := !first && strings.HasPrefix(trimOWS(rest), "=")
	switch {
	case f.bearer && !parameter && strings.EqualFold(scheme, "Bearer"):
		s.addBearer(rest)
		return "bearer"
	case f.basic != "" && !parameter && strings.EqualFold(scheme, "Basic"):
		s.addBasic(rest, f.basic)
		return "basic"
	case f.remove.Bearer && !parameter && strings.EqualFold(scheme, "Bearer"), f.remove.Basic && !parameter && strings.EqualFold(scheme, "Basic"):
		return unread
	case before != "" && (parameter || scheme == "" || rest == ""):
		if before != unread {
			s.addMalformed(before)
		}
		return before
	}
	return ""
}

// addBearer adds what follows the scheme: one space and a token.
func (s *Set) addBearer(rest string) {
	token, ok := token68(rest)
	if !ok || len(token) > MaxKey {
		s.addMalformed("bearer")
		return
	}
	s.put("bearer", append(s.arena.room(len(token)), token...), false) // valid by its characters
}

// addBasic adds what follows the scheme: one space and base64 of user:password,
// with or without padding.
func (s *Set) addBasic(rest, part string) {
	token, ok := token68(rest)
	if !ok {
		s.addMalformed("basic")
		return
	}
	s.query = append(s.query[:0], strings.TrimRight(token, "=")...)
	pair, err := base64.RawStdEncoding.AppendDecode(s.arena.room(len(token)), s.query)
	clear(s.query)
	user, password, colon := bytes.Cut(pair, []byte(":"))
	switch {
	case err != nil || !colon:
		s.addMalformed("basic")
	case part == "user", part == "any" && len(password) == 0:
		s.add("basic", user)
	default:
		s.add("basic", password)
	}
}

// token68 reads exactly one space and the b64token of RFC 6750, which is the
// token68 of RFC 9110.
func token68(s string) (string, bool) {
	if len(s) < 2 || s[0] != ' ' {
		return "", false
	}
	s = s[1:]
	body := strings.TrimRight(s, "=")
	for i := range len(body) {
		if !token68Bytes[body[i]] {
			return "", false
		}
	}
	return s, body != ""
}
