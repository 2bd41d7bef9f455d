package credential

import (
	"bytes"
	"fmt"
	"sync"
	"unicode/utf8"
)

// Found is a credential as the client presented it.
type Found struct {
	// Location is where it was, in the configured spelling: "bearer", "basic",
	// "header X-API-Key", "query apiKey", "form key", "body token".
	Location string
	// Key is the key itself, a copy that is valid until Set.Reset or PutSet. It
	// is nil if the credential is malformed.
	Key []byte `json:"-"`
	// Malformed marks what cannot be a key: wrong characters, a JSON value that
	// is not a string, longer than MaxKey, invalid UTF-8.
	Malformed bool
}

// Format writes location and validity, never the key, whatever the verb.
func (f Found) Format(s fmt.State, _ rune) {
	fmt.Fprintf(s, "credential in %s (malformed: %t)", f.Location, f.Malformed)
}

// Judge distinguishes keys from other values in places where keys may be.
type Judge interface {
	// IsKey reports whether the key has a record. key is nil for text that cannot be a
	// key. It is asked only once for each different value, and must not keep key.
	IsKey(location string, key []byte) bool
}

// MaxCandidates is how many different values of a request a Judge is asked about.
const MaxCandidates = 16

// Set collects what one request holds. It is not safe for concurrent use.
type Set struct {
	// Judge is for gates without configured locations: only values that it calls keys are
	// credentials. All other values belong to somebody else and stay where they are.
	// Without a Judge every value in a location is a credential.
	Judge Judge

	found  []Found
	blank  bool // an empty value was found, which counts as absent
	judged []candidate
	many   bool // there were more than MaxCandidates
	arena  arena

	hits  []hit    // header names to look at
	long  []Long   // headers with long values
	freed []string // values of the header that was deleted last
	query []byte   // copy of the raw query, only while Query runs
	cuts  []span   // what to cut from query or body

	document span // value of a field that is a document; empty if there is none

	stack [maxDepth/64 + 1]uint64 // open objects (1) and arrays (0) of a JSON body
	report
}

var sets = sync.Pool{New: func() any { return new(Set) }}

// candidate is a value and what a Judge said about it.
type candidate struct {
	value []byte // in the arena
	isKey bool
}

// GetSet returns an empty Set. Give it back with PutSet.
func GetSet() *Set { return sets.Get().(*Set) }

// PutSet wipes s, which must not be used afterwards, nor any slice it returned.
func PutSet(s *Set) {
	s.Reset()
	if !s.huge() {
		sets.Put(s)
	}
}

// huge tells whether s has grown beyond what is worth keeping.
func (s *Set) huge() bool {
	return cap(s.arena.chunk) > 64<<10 || cap(s.query) > 64<<10 || cap(s.cuts) > 4096 ||
		cap(s.found) > 256 || cap(s.hits) > 256 || cap(s.long) > 256 || s.report.huge()
}

// Reset wipes all key bytes and makes s empty.
func (s *Set) Reset() {
	s.arena.wipe()
	clear(s.found)
	s.found, s.blank = s.found[:0], false
	clear(s.judged)
	s.Judge, s.judged, s.many = nil, s.judged[:0], false
	s.cuts, s.document = s.cuts[:0], span{}
	clear(s.long)
	s.long, s.freed = s.long[:0], nil
	s.report.reset(0, 0)
}

// Format writes the number of credentials, never their keys, whatever the verb.
func (s *Set) Format(w fmt.State, _ rune) {
	fmt.Fprintf(w, "%d credentials", len(s.found))
}

// Found returns the credentials in the order in which they were found: the
// Authorization header, the other headers in configured order, then as Query,
// Form and JSON were called. Of each location at most two that differ are kept,
// and none twice.
func (s *Set) Found() []Found { return s.found }

// Long returns the headers that Headers has left with a value of 16 bytes or more, or with
// more than one value.
func (s *Set) Long() []Long { return s.long }

// Freed returns room for one value that a header has left which Headers has deleted, nil if it has
// deleted none.
func (s *Set) Freed() []string {
	if len(s.freed) == 0 {
		return nil
	}
	return s.freed[:1:1]
}

// One returns the credential of the request. It fails with ErrMissing if there
// is none, with ErrConflict if two differ, and with ErrCandidates if there were too
// many values to judge; with first set, the first credential found is taken instead.
func (s *Set) One(first bool) (Found, error) {
	switch {
	case s.many:
		return Found{}, ErrCandidates
	case len(s.found) == 0:
		return Found{}, ErrMissing
	}
	one := s.found[0]
	if first {
		return one, nil
	}
	for _, f := range s.found[1:] {
		if !bytes.Equal(f.Key, one.Key) { // nil if malformed
			return Found{}, ErrConflict
		}
	}
	return one, nil
}

// unread is the location of places that are only emptied. It is not for credentials.
const unread = "unread"

// add records a credential, and reports whether to cut it. An empty one counts as absent.
func (s *Set) add(location string, key []byte) (cut bool) {
	switch {
	case location == unread:
		return true
	case len(key) == 0:
		s.blank = true
		return s.Judge == nil
	case !validKey(key):
		return s.addMalformed(location, key)
	case s.Judge != nil && !s.isKey(location, key):
		return s.addNear(location, key)
	}
	s.put(location, key, false)
	return true
}

// addMalformed is add for text that cannot be a key.
func (s *Set) addMalformed(location string, text []byte) (cut bool) {
	switch {
	case location == unread:
		return true
	case s.Judge != nil:
		s.Judge.IsKey(location, nil)
		return s.addNear(location, text)
	}
	s.put(location, nil, true)
	return true
}

// isKey asks the Judge, once for each value. If there are too many values, the rest count
// as keys, so that none passes unjudged.
func (s *Set) isKey(location string, key []byte) bool {
	for i := range s.judged {
		if c := &s.judged[i]; bytes.Equal(c.value, key) {
			return c.isKey
		}
	}
	if len(s.judged) == MaxCandidates {
		s.many = true
		return true
	}
	key = s.arena.keep(key) // because the Judge may have overwritten the original
	isKey := s.Judge.IsKey(location, key)
	s.judged = append(s.judged, candidate{key, isKey})
	return isKey
}

func (s *Set) put(location string, key []byte, malformed bool) {
	n := 0
	for i := range s.found {
		f := &s.found[i]
		if f.Location != location {
			continue
		}
		if bytes.Equal(f.Key, key) { // nil if malformed
			return
		}
		n++
	}
	if n == 2 { // a conflict already; a client must not fill memory with more
		return
	}
	if !malformed {
		key = s.arena.keep(key)
	}
	s.found = append(s.found, Found{Location: location, Key: key, Malformed: malformed})
}

// validKey tells whether key can be one: text that is not too long.
func validKey(key []byte) bool { return len(key) <= MaxKey && utf8.Valid(key) }
