package credential

import (
	"bytes"
	"unicode/utf8"
)

// This file finds names that some backends read as one of our parameters although they
// are different.

// unknown replaces a character that readers understand differently; it is not UTF-8.
const unknown = 0xff

// leads are characters that some readers drop in front of a name: white space
// (PHP, Rack), brackets (qs, Rack), '?' (URLSearchParams one, PHP's own server
// all), '#' (query-string), and a byte-order mark.
const leads = " \t\r\n\v\f[]?#\ufeff"

// hasLead tells whether some readers drop the first character of a query or form.
func hasLead(raw []byte) bool {
	return len(raw) > 0 && (raw[0] == '?' || raw[0] == '#' || bytes.HasPrefix(raw, []byte("\ufeff")))
}

// mayBe tells whether some backends turn name into one of our names. It overwrites name.
// Backends end a name at a NUL or '#', drop leading characters (leads), read brackets as
// arrays ("key[]", "[key]": PHP, Rack, qs), turn ' ', '.' and a lone '[' into '_' (PHP),
// and drop bytes that are not UTF-8 or read them as characters (overlong forms).
func (p *params) mayBe(name []byte) bool {
	name, _, _ = bytes.Cut(name, []byte{0})
	name, _, _ = bytes.Cut(bytes.TrimLeft(name, leads), []byte{'#'})
	if p.holds(name) || p.holds(phpName(name)) {
		return true
	}
	if bytes.IndexByte(name, ']') >= 0 {
		return false
	}
	for i, c := range name {
		if c == '[' {
			name[i] = '_'
		}
	}
	return p.holds(name)
}

// phpName turns ' ' and '.' into '_', in place.
func phpName(name []byte) []byte {
	for i, c := range name {
		if c == ' ' || c == '.' {
			name[i] = '_'
		}
	}
	return name
}

// holds tells whether name is one of our names, or an array or an object in it.
func (p *params) holds(name []byte) bool {
	odd := !utf8.Valid(name)
	if !odd && len(name) > p.longest && !bytes.ContainsAny(name[:p.longest+1], "[]") {
		return false // most of a text that is no form, such as JSON
	}
	for _, folded := range p.folded {
		if within(name, folded, odd) {
			return true
		}
	}
	return false
}

// within tells whether name is folded or something in it: "filter[key][0]" is in
// "filter[key]". An odd name has unknown characters.
func within(name, folded []byte, odd bool) bool {
	for folded != nil {
		var step, want []byte
		step, name = cutStep(name)
		want, folded = cutStep(folded)
		if !bytes.EqualFold(step, want) && (!odd || !couldBe(step, want)) {
			return false
		}
	}
	return true
}

// cutStep cuts off the part before the first bracket. rest is the text after the next
// opening bracket, nil if there is none.
func cutStep(name []byte) (step, rest []byte) {
	i := bytes.IndexAny(name, "[]")
	if i < 0 {
		return name, nil
	}
	if open := bytes.IndexByte(name[i:], '['); open >= 0 {
		rest = name[i+open+1:]
	}
	return name[:i], rest
}

// couldBe tells whether name may be folded if each of its unknown characters is
// any or none.
func couldBe(name, folded []byte) bool {
	free := 0 // unknown characters that no character of folded needs
	for len(name) > 0 {
		r, n := utf8.DecodeRune(name)
		name = name[n:]
		if r == utf8.RuneError {
			free++
			continue
		}
		for found := false; !found; {
			if len(folded) == 0 || free < 0 {
				return false
			}
			want, n := utf8.DecodeRune(folded)
			folded = folded[n:]
			if found = want == foldRune(r); !found {
				free--
			}
		}
	}
	return utf8.RuneCount(folded) <= free
}

// mayBeDamaged is mayBe for a raw name with a bad escape. Readers keep the escape,
// replace it by an unknown character, or drop its '%' (ASP). It is also for names with
// %uXXXX (IIS, which also turns characters into similar ones). If the name contains one
// of our names, it counts, whatever is around it.
func (p *params) mayBeDamaged(raw []byte) bool {
	return p.mentioned(appendLenientlyDecoded(nil, raw, keepEscape)) ||
		p.mayBe(appendLenientlyDecoded(nil, raw, dropPercent)) ||
		p.mayBe(appendLenientlyDecoded(nil, raw, hideEscape))
}

func (p *params) mentioned(name []byte) bool {
	name = appendFolded(nil, name)
	for _, folded := range p.folded {
		if bytes.Contains(name, folded) {
			return true
		}
	}
	return false
}
