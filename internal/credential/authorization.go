package credential

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// schemes adds the credentials of a value, which may have several separated by commas. It
// returns the rest, which belongs to other schemes: v itself if there are no credentials.
func (f *Finder) schemes(v string, s *Set) (rest string) {
	var others []string
	own := "" // location of the scheme of the previous part
	found := false
	for tail, first, more := v, true, true; more; first = false {
		var part string
		part, tail, more = strings.Cut(tail, ",")
		if part = trimOWS(part); part == "" {
			continue
		}
		var cut bool
		if own, cut = f.scheme(part, own, first, s); cut {
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

// scheme adds the credential in part, if its scheme is a location, and returns the location, else "". cut
// says whether to remove the part. A part without a scheme continues the part before it: that has a comma in
// its token and is malformed.
func (f *Finder) scheme(part, before string, first bool, s *Set) (location string, cut bool) {
	n := tokenLen(part)
	scheme, rest := part[:n], part[n:]
	parameter := !first && strings.HasPrefix(trimOWS(rest), "=")
	switch {
	case f.bearer && !parameter && strings.EqualFold(scheme, "Bearer"):
		return "bearer", s.addBearer(rest)
	case f.basic != "" && !parameter && strings.EqualFold(scheme, "Basic"):
		return "basic", s.addBasic(rest, f.basic)
	case f.remove.Bearer && !parameter && strings.EqualFold(scheme, "Bearer"), f.remove.Basic && !parameter && strings.EqualFold(scheme, "Basic"):
		return unread, true
	case before != "" && (parameter || scheme == "" || rest == ""):
		return before, s.addMalformed(before, []byte(part))
	}
	return "", false
}

// addBearer adds the text after the scheme: a token.
func (s *Set) addBearer(rest string) (cut bool) {
	token, ok := token68(rest)
	if !ok {
		return s.addMalformed("bearer", []byte(rest))
	}
	return s.addString("bearer", token)
}

// addBasic adds the text after the scheme: base64 of user:password, with or without
// padding.
func (s *Set) addBasic(rest, part string) (cut bool) {
	token, ok := token68(rest)
	if !ok {
		return s.addMalformed("basic", []byte(rest))
	}
	s.query = append(s.query[:0], strings.TrimRight(token, "=")...)
	pair, err := base64.RawStdEncoding.AppendDecode(s.arena.room(len(token)), s.query)
	clear(s.query)
	user, password, colon := bytes.Cut(pair, []byte(":"))
	switch {
	case err != nil || !colon:
		return s.addMalformed("basic", []byte(rest))
	case part == "user", part == "any" && len(password) == 0:
		return s.add("basic", user)
	default:
		return s.add("basic", password)
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
