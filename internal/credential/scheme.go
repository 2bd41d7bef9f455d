package credential

import "strings"

// tokenParam is the parameter of a scheme that is the key.
const tokenParam = "token"

// addToken adds what follows the name of a scheme: one or more spaces and the key, or
// parameters the first of which is token. Others may follow, separated by what Rails takes
// for a separator; they belong to the credential and go with it. Rails takes the first one
// for the token whatever its name is, so another order is malformed.
func (s *Set) addToken(location, rest string) (cut bool) {
	key, ok := schemeKey(rest)
	if !ok {
		return s.addMalformed(location, []byte(rest))
	}
	return s.addString(location, key)
}

func schemeKey(rest string) (key string, ok bool) {
	text := strings.TrimLeft(rest, " ")
	if len(text) == len(rest) {
		return "", false
	}
	if n := tokenLen(text); strings.EqualFold(text[:n], tokenParam) && strings.HasPrefix(text[n:], "=") {
		text, others := cutParam(text[n+1:])
		for others != "" {
			var other string
			other, others = cutParam(others)
			if n := tokenLen(other); strings.EqualFold(other[:n], tokenParam) {
				return "", false
			}
		}
		if len(text) > 1 && text[0] == '"' && text[len(text)-1] == '"' {
			text = text[1 : len(text)-1]
		}
		return text, isSchemeKey(text)
	}
	return text, isSchemeKey(text)
}

// cutParam cuts off the first of some parameters.
func cutParam(text string) (first, others string) {
	if i := strings.IndexAny(text, ";\t"); i >= 0 {
		return trimOWS(text[:i]), trimOWS(text[i+1:])
	}
	return text, ""
}

// isSchemeKey tells whether text is one key for all readers: visible characters, none of
// which quotes, separates, or makes a parameter of it.
func isSchemeKey(text string) bool {
	body := strings.TrimRight(text, "=")
	for i := range len(body) {
		if c := body[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`"\,;=`, c) >= 0 {
			return false
		}
	}
	return body != ""
}
