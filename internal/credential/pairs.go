package credential

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// Pair is a pair of a name and a value in the value of a header.
type Pair struct {
	Header   string
	Name     string  // compared like strings.EqualFold
	location string  // as Found has it
	syntax   *syntax // of the header
}

// syntax is how pairs are written in the value of a header.
type syntax struct {
	separators string // between pairs
	scheme     bool   // a word may stand before the first pair
	escapes    bool   // %XX in a value is decoded
}

// cookieSyntax is that of the Cookie header (RFC 6265, section 4.2). Values are
// percent-decoded, as the usual libraries of clients encode and those of backends decode
// them.
var cookieSyntax = &syntax{separators: ";", escapes: true}

// cookies are the cookies that a location names.
func cookies(l config.Location) []Pair {
	pairs := make([]Pair, len(l.Names))
	for i, name := range l.Names {
		pairs[i] = Pair{Header: "Cookie", Name: name, location: "cookie " + name, syntax: cookieSyntax}
	}
	return pairs
}

// paramSyntax is that of parameters in the value of a header, as in
// `Sentry sentry_version=7, sentry_key=…` or `text/plain; key="…"`.
var paramSyntax = &syntax{separators: ",;", scheme: true}

// headerParams are the parameters that a location names, one for each header.
func headerParams(l config.Location) []Pair {
	pairs := make([]Pair, len(l.Names))
	for i, name := range l.Names {
		pairs[i] = Pair{Header: name, Name: l.Param, location: "header " + name + " param " + l.Param, syntax: paramSyntax}
	}
	return pairs
}

// pairs are the names of the pairs in a header that are credentials.
type pairs struct {
	*syntax
	params
}

// addPairs compiles Pairs and those of Remove.
func (f *Finder) addPairs(o Options) error {
	for _, p := range o.Pairs {
		if err := f.addPair(p, p.location); err != nil {
			return err
		}
	}
	for _, p := range o.Remove.Pairs {
		if err := f.addPair(p, unread); err != nil {
			return err
		}
	}
	for i := range f.headers {
		if p := f.headers[i].pairs; p != nil {
			if err := p.addAliases(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Finder) addPair(pair Pair, location string) error {
	i := f.headerIndex(fieldname.Fold(pair.Header))
	if i < 0 {
		p := &pairs{syntax: pair.syntax}
		f.addHeader(pair.Header, header{pairs: p, take: p.take})
		i = len(f.headers) - 1
	}
	p := f.headers[i].pairs
	if p == nil || p.syntax != pair.syntax {
		return fmt.Errorf("header %s is read in two ways: remove one", pair.Header)
	}
	return p.add(pair.Name, location)
}

// take adds the credentials in a value, and returns it without them. A pair goes with one
// separator, all other bytes stay.
//
// Readers differ in what separates pairs, in quotes, and in what a name may look like.
// What some of them take for one of ours is a malformed credential.
func (p *pairs) take(v string, s *Set) (rest string) {
	start := 0
	if p.scheme {
		start = schemeLen(v)
	}
	var kept strings.Builder
	found, first := false, true
	for i := start; i <= len(v); {
		end := p.pairEnd(v, i)
		switch {
		case p.takePair(v[i:end], s):
			found = true
		case first:
			kept.WriteString(strings.TrimLeft(v[i:end], " \t"))
			first = false
		default:
			kept.WriteString(v[i-1 : end]) // with the separator before it
		}
		i = end + 1
	}
	if !found {
		return v
	}
	rest = trimOWS(v[:start] + kept.String())
	if p.scheme && start == 0 && schemeLen(rest) > 0 { // the word was a part of a name before
		s.addMalformed(p.nearest(), nil)
	}
	return rest
}

// schemeLen returns the length of a word before the first pair, with the space behind it.
func schemeLen(v string) int {
	n := tokenLen(v)
	for i := n; i < len(v) && isOWS(v[i]); i++ {
		n = i + 1
	}
	if n == 0 || n == len(v) || !isOWS(v[n-1]) || v[n] == '=' {
		return 0
	}
	return n
}

// pairEnd returns where the pair ends that starts at i. Separators between quotes are none
// if the pair is ours: all of it is to go.
func (p *pairs) pairEnd(v string, i int) int {
	end := i
	for end < len(v) && strings.IndexByte(p.separators, v[end]) < 0 {
		end++
	}
	name, value, ok := strings.Cut(v[i:end], "=")
	if value = trimOWS(value); !ok || value == "" || value[0] != '"' || p.names.find(trimOWS(name)) < 0 {
		return end
	}
	for at := i + len(name) + 1 + strings.IndexByte(v[i+len(name)+1:], '"') + 1; at < len(v); at++ {
		switch v[at] {
		case '\\':
			at++
		case '"':
			end = max(end, at+1)
			for end < len(v) && strings.IndexByte(p.separators, v[end]) < 0 {
				end++
			}
			return end
		}
	}
	return end
}

// takePair adds the credential in a pair, and reports whether the pair is to go.
func (p *pairs) takePair(pair string, s *Set) (cut bool) {
	named := strings.TrimLeft(pair, "= \t") // Werkzeug before 2.2.3 reads "=name=value" so
	name, value, ok := strings.Cut(named, "=")
	if !ok {
		return false
	}
	m, ok := p.is(trimOWS(name), s)
	switch {
	case !ok:
		return s.addMalformed(p.nearest(), nil)
	case m >= 0 && strings.HasPrefix(trimOWS(pair), "="):
		return s.addMalformed(p.locations[m], nil)
	case m >= 0:
		return p.takeValue(p.locations[m], trimOWS(value), s)
	}
	if location := p.hidden(pair, s); location != "" {
		return s.addMalformed(location, nil)
	}
	return false
}

// is returns the index of the name, or -1. It fails if some readers take it for one of ours:
// name* and name*0 are a parameter called name in RFC 8187 and RFC 2231.
func (p *pairs) is(name string, s *Set) (m int, ok bool) {
	if plain, _, extended := strings.Cut(name, "*"); extended && p.names.find(plain) >= 0 {
		return -1, false
	}
	return p.match([]byte(name), false, s)
}

// hidden returns the location of a pair that only some readers find in another one: behind
// white space, a quote or a comma. It is "" if there is none.
func (p *pairs) hidden(pair string, s *Set) (location string) {
	start := -1 // of the word that may be a name
	for i := 1; i < len(pair); i++ {
		switch {
		case isLooseSeparator(pair[i]):
		case isLooseSeparator(pair[i-1]) && pair[i] != '=':
			start = i
		case pair[i] == '=' && start >= 0:
			m, ok := p.is(strings.TrimRight(pair[start:i], " \t"), s)
			switch {
			case !ok:
				return p.nearest()
			case m >= 0:
				return p.locations[m]
			}
			start = -1
		}
	}
	return ""
}

func isLooseSeparator(c byte) bool { return isOWS(c) || c == '"' || c == ',' || c == ';' }

// nearest is the location of what is one of ours to some readers only: unread if nothing in
// the header is a credential.
func (p *pairs) nearest() string {
	for _, location := range p.locations {
		if location != "" && location != unread {
			return location
		}
	}
	return unread
}

// takeValue adds the credential with the given value, which may be quoted.
func (p *pairs) takeValue(location, value string, s *Set) (cut bool) {
	if n := len(value); n > 1 && value[0] == '"' && value[n-1] == '"' {
		value = value[1 : n-1]
	}
	if strings.ContainsAny(value, " \t\"\\,;") {
		return s.addMalformed(location, []byte(value))
	}
	raw := append(s.arena.room(len(value)), value...)
	if p.escapes && bytes.IndexByte(raw, '%') >= 0 {
		decoded, ok := appendUnescapedURI(raw[:0], raw)
		if !ok {
			return s.addMalformed(location, raw)
		}
		raw = decoded
	}
	return s.add(location, raw)
}
