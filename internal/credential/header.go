package credential

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/fieldname"
)

// header is a header that may hold credentials.
type header struct {
	folded    string // name as of fieldname.Fold
	canonical string // name as net/http has it
	drop      bool   // is deleted unread, even if everything is kept
	plain     bool   // is left alone in its canonical spelling
	pairs     *pairs // in its values; nil if they are read in another way
	// take adds the credentials in a value, and returns what is to stay of it.
	take func(value string, s *Set) (rest string)
}

// hit is a header of a request that matches f.headers[index].
type hit struct {
	name   string
	values []string
	index  int
	alias  int // 1 if name is not the canonical spelling
}

func (f *Finder) addHeaders(o Options) error {
	if len(f.schemes) > 0 {
		f.addHeader("Authorization", header{take: f.authorization})
	}
	for i, name := range slices.Concat(o.Headers, o.Remove.Headers) {
		if name == "" || tokenLen(name) < len(name) {
			return fmt.Errorf("%q is not a header name (RFC 9110): correct it", name)
		}
		if i := f.headerIndex(name); i >= 0 {
			if f.headers[i].canonical == "Authorization" {
				return errors.New("header Authorization is already read by its schemes: remove one")
			}
			return fmt.Errorf("name %q is given twice (%s): remove one", name, whatCounts)
		}
		location := "header " + name
		if i >= len(o.Headers) {
			location = unread
		}
		f.addHeader(name, header{take: func(v string, s *Set) string { return s.addList(location, v) }})
	}
	if err := f.addPairs(o); err != nil {
		return err
	}
	for _, name := range o.Drop {
		if err := f.addOther(name, header{drop: true}); err != nil {
			return err
		}
	}
	for _, name := range o.Plain {
		if err := f.addOther(name, header{drop: true, plain: true}); err != nil {
			return err
		}
	}
	return nil
}

const whatCounts = "upper and lower case count as the same, and so does all punctuation between letters"

func (f *Finder) addOther(name string, h header) error {
	if f.headerIndex(name) >= 0 {
		return fmt.Errorf("%s cannot carry a credential: the gate deletes what clients send under this name (%s)", name, whatCounts)
	}
	f.addHeader(name, h)
	return nil
}

func (f *Finder) addHeader(name string, h header) {
	h.folded, h.canonical = fieldname.Fold(name), http.CanonicalHeaderKey(name)
	f.headers = append(f.headers, h)
	f.headerMarks[len(h.folded)&63] |= firstMark(name)
}

// firstMark is one bit for the first byte of a name, the same for all spellings.
func firstMark(name string) uint64 {
	if name == "" {
		return 0
	}
	return 1 << (fieldname.Byte(name[0]) & 63)
}

// Headers finds the credentials in h and deletes them in place. Several values
// and comma-joined values are several credentials. Of Authorization it deletes only the
// configured schemes; values of others stay. It may also be called for trailers.
//
// Headers that stay are then in s.Long if their values are long enough to have a copy of a
// key in them.
func (f *Finder) Headers(h http.Header, s *Set) {
	hits := s.hits[:0]
	for name, values := range h {
		i := -1
		if f.headerMarks[len(name)&63]&firstMark(name) != 0 {
			i = f.headerIndex(name)
		}
		switch {
		case i < 0, f.headers[i].plain && name == f.headers[i].canonical:
			s.addLong(name, values)
		case name != f.headers[i].canonical:
			hits = append(hits, hit{name, values, i, 1})
		default:
			hits = append(hits, hit{name, values, i, 0})
		}
	}
	slices.SortFunc(hits, compareHits)
	for _, hit := range hits {
		f.header(h, hit, s)
		s.addLong(hit.name, h[hit.name])
	}
	clear(hits)
	s.hits = hits[:0]
}

// Long is a header with values that are long.
type Long struct {
	Name   string
	Values []string
}

// longValue is the length from which on a value is long.
const longValue = 16

func (s *Set) addLong(name string, values []string) {
	if len(values) == 1 && len(values[0]) >= longValue || len(values) > 1 {
		s.long = append(s.long, Long{name, values})
	}
}

// compareHits orders by configuration, then the canonical spelling first: a map has no
// order, but the order of credentials must not be random.
func compareHits(a, b hit) int {
	return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(a.alias, b.alias), strings.Compare(a.name, b.name))
}

func (f *Finder) headerIndex(name string) int {
	for i := range f.headers {
		h := &f.headers[i]
		if len(name) == len(h.folded) && (name == h.canonical || fieldname.Equal(name, h.folded)) {
			return i
		}
	}
	return -1
}

// header takes the credentials out of a header. One of which nothing stays is deleted.
func (f *Finder) header(h http.Header, hit hit, s *Set) {
	found := &f.headers[hit.index]
	if found.drop {
		delete(h, hit.name)
		return
	}
	kept := 0
	for _, v := range hit.values {
		if rest := found.take(v, s); !f.keep && rest != "" {
			hit.values[kept] = rest
			kept++
		}
	}
	switch {
	case f.keep:
	case kept == 0:
		delete(h, hit.name)
		s.freed = hit.values
	default:
		clear(hit.values[kept:])
		h[hit.name] = hit.values[:kept]
	}
}

// addList adds the credentials in a list with commas, and returns the rest: list itself
// if there are none.
func (s *Set) addList(location, list string) (rest string) {
	var others []string
	cut := false
	for part := range strings.SplitSeq(list, ",") {
		switch part = trimOWS(part); {
		case s.addString(location, part):
			cut = true
		case part != "":
			others = append(others, part)
		}
	}
	if !cut {
		return list
	}
	return strings.Join(others, ", ")
}

// addString is add for a string.
func (s *Set) addString(location, key string) (cut bool) {
	return s.add(location, append(s.arena.room(len(key)), key...))
}

// trimOWS cuts optional white space (RFC 9110): spaces and tabs.
func trimOWS(s string) string {
	for s != "" && isOWS(s[0]) {
		s = s[1:]
	}
	for s != "" && isOWS(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	return s
}

func isOWS(c byte) bool { return c == ' ' || c == '\t' }

// IsHeader tells whether Headers looks at a header with that name: to find credentials,
// or to drop it or other spellings of it.
func (f *Finder) IsHeader(name string) bool { return f.headerIndex(name) >= 0 }
