package credential

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// addNear is add for text that is not a key, when there is a Judge. Readers trim and
// split values that they use as keys (`Bearer\tKEY`, `"KEY"`, `KEY%20`, `KEY, x`), at the
// first separator or at the last one. Text in which they may find a key is a malformed
// credential.
func (s *Set) addNear(location string, text []byte) (cut bool) {
	first, last := edgeWords(text) // copying first does not overwrite last: last comes after it
	if !s.isNearKey(location, first) && !s.isNearKey(location, last) {
		return false
	}
	s.put(location, nil, true)
	return true
}

func (s *Set) isNearKey(location string, word []byte) bool {
	return len(word) > 0 && len(word) <= MaxKey && s.isKey(location, word)
}

// edgeWords returns the first and the last word of text, which may be the same. It is
// one word if it has no separator but the '=' that base64 ends in.
func edgeWords(text []byte) (first, last []byte) {
	if !bytes.ContainsFunc(bytes.TrimRight(text, "="), isSeparator) {
		return text, text
	}
	first = bytes.TrimFunc(text, isSeparator)
	last = first
	if i := bytes.IndexFunc(first, isSeparator); i >= 0 {
		last = last[bytes.LastIndexFunc(last, isSeparator):]
		first, last = first[:i], bytes.TrimLeftFunc(last, isSeparator)
	}
	return first, last
}

// isSeparator reports whether some reader ends a key at r, or drops it around one.
func isSeparator(r rune) bool {
	return r == utf8.RuneError || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf) ||
		strings.ContainsRune("\"'`,;=#&<>(){}[]\\", r)
}
