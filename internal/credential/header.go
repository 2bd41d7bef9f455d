package credential

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// header is a header that may hold credentials.
type header struct {
	folded   string // name as of foldHeader
	location string // "" for Authorization, whose schemes tell
	remove   bool   // is deleted unread, unless everything is kept
	drop     bool   // is deleted unread
}

// hit is a header of a request to look at: that of f.headers[index].
type hit struct {
	name   string
	values []string
	index  int
}

func (f *Finder) addHeaders(list, drop []string) error {
	if f.bearer || f.basic != "" || f.remove.Bearer || f.remove.Basic {
		f.addHeader(header{folded: "authorization"})
	}
	for i, name := range slices.Concat(list, f.remove.Headers) {
		if name == "" || tokenLen(name) < len(name) {
			return fmt.Errorf("%q is not a header name (RFC 9110): correct it", name)
		}
		folded := foldHeaderName(name)
		if slices.ContainsFunc(f.headers, func(h header) bool { return h.folded == folded }) {
			if folded == "authorization" {
				return errors.New("header Authorization is read as bearer or basic already: remove one")
			}
			return fmt.Errorf("name %q is given twice (case, '_' and '.' do not matter): remove one", name)
		}
		f.addHeader(header{folded: folded, location: "header " + name, remove: i >= len(list)})
	}
	return f.addDropped(drop)
}

func (f *Finder) addDropped(list []string) error {
	for _, name := range list {
		folded := foldHeaderName(name)
		if slices.ContainsFunc(f.headers, func(h header) bool { return h.folded == folded }) {
			return fmt.Errorf("%s cannot carry a credential: what clients send under this name is deleted (case, '_' and '.' do not matter)", name)
		}
		f.addHeader(header{folded: folded, drop: true})
	}
	return nil
}

func (f *Finder) addHeader(h header) {
	f.headers = append(f.headers, h)
	f.headerLens |= 1 << (len(h.folded) & 63)
}

// Headers finds the credentials in h and deletes them in place. Several values
// and comma-joined values are several credentials. Of Authorization only the
// schemes looked for are deleted. It may be called for trailers too.
func (f *Finder) Headers(h http.Header, s *Set) {
	hits := s.hits[:0]
	for name, values := range h {
		if f.headerLens&(1<<(len(name)&63)) == 0 {
			continue
		}
		if i := f.headerIndex(name); i >= 0 {
			hits = append(hits, hit{name, values, i})
		}
	}
	slices.SortFunc(hits, compareHits)
	for _, hit := range hits {
		f.header(h, hit, s)
	}
	clear(hits)
	s.hits = hits[:0]
}

// compareHits orders by configuration, then the canonical spelling first: a map
// has no order, but which credential comes first must not be left to chance.
func compareHits(a, b hit) int {
	return cmp.Or(cmp.Compare(a.index, b.index), strings.Compare(a.name, b.name))
}

func (f *Finder) headerIndex(name string) int {
	for i := range f.headers {
		if equalHeaderName(name, f.headers[i].folded) {
			return i
		}
	}
	return -1
}

func (f *Finder) header(h http.Header, hit hit, s *Set) {
	location := f.headers[hit.index].location
	if f.headers[hit.index].drop {
		delete(h, hit.name)
		return
	}
	if location == "" {
		f.authorization(h, hit, s)
		return
	}
	if !f.headers[hit.index].remove {
		s.addHeaderValues(location, hit.values)
	}
	if !f.keep {
		delete(h, hit.name)
	}
}

// addHeaderValues adds the credentials in the values of a header, of which comma
// may join several.
func (s *Set) addHeaderValues(location string, values []string) {
	for _, v := range values {
		for more := true; more; {
			var one string
			one, v, more = strings.Cut(v, ",")
			one = trimOWS(one)
			s.addString(location, one)
		}
	}
}

// addString is add for a string.
func (s *Set) addString(location, key string) {
	s.add(location, append(s.arena.room(len(key)), key...))
}

// headerFold maps a byte of a header name to what backends make of it.
var headerFold = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
		if 'A' <= i && i <= 'Z' {
			t[i] += 'a' - 'A'
		}
	}
	t['_'], t['.'] = '-', '-'
	return t
}()

func foldHeaderName(name string) string {
	b := []byte(name)
	for i, c := range b {
		b[i] = headerFold[c]
	}
	return string(b)
}

func equalHeaderName(name, folded string) bool {
	if len(name) != len(folded) {
		return false
	}
	for i := range len(name) {
		if headerFold[name[i]] != folded[i] {
			return false
		}
	}
	return true
}

// trimOWS cuts optional white space (RFC 9110): spaces and tabs.
func trimOWS(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// IsHeader tells whether Headers looks at a header of that name, be it to find
// credentials or to drop it.
func (f *Finder) IsHeader(name string) bool { return f.headerIndex(name) >= 0 }
