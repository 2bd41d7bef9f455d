// Package credential finds API keys in a request and cuts them out of it: in
// headers, in the query, in form, multipart and JSON bodies. What is not a
// credential keeps its bytes: nothing is reordered, re-encoded or reformatted.
//
// A Finder says where to look and is shared by all requests. A Set collects
// what one request holds; it owns copies of the keys and wipes them.
package credential

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxKey is the length in bytes above which a credential cannot be a key.
const MaxKey = 4096

// Options says where credentials may stand, and what else to look at in the
// same scan of a JSON body. The zero value looks nowhere.
type Options struct {
	// Bearer looks at the Authorization header for the scheme Bearer (RFC 6750).
	Bearer bool
	// Basic looks at the Authorization header for the scheme Basic (RFC 7617):
	// "user" and "password" say which part is the key, "any" takes the password
	// or, if that is empty, the user name. "" does not look.
	Basic string
	// Headers are header names, compared as package fieldname does.
	Headers []string
	// Drop are header names, compared likewise, that no client may send: Headers
	// deletes them unread, also with Keep.
	Drop []string
	// Plain are header names, compared likewise, of which a client may send only
	// the plain spelling: Headers deletes every other unread, also with Keep.
	Plain []string
	// Query are names of query parameters, compared like strings.EqualFold.
	Query []string
	// Form are fields of an application/x-www-form-urlencoded body, compared
	// like strings.EqualFold.
	Form []string
	// Multipart are fields of a multipart/form-data body, compared likewise.
	Multipart []string
	// Documents are fields whose value is a JSON document, at which JSON looks.
	Documents Documents
	// Body are paths (config.ParsePath) of members of a JSON object: the top-level one,
	// every element of a top-level array, or every line of NDJSON. A member on the way is
	// an object, or an array of them. Names are compared like strings.EqualFold.
	Body []string
	// BodyRows are the same for the elements of an array.
	BodyRows []BodyRow
	// Remove are locations that hold no credential. What stands there is cut unread,
	// as if it were one; it need not be well-formed nor be there once.
	Remove Locations
	// Keep finds every credential but leaves it where it is, and what Remove says, too.
	Keep bool

	// Require lists what the rows of a JSON body must have.
	Require []Requirement
	// Resources are paths like those of Body, of members whose distinct values are
	// reported by Set.Values. A name in another case is a SpellingError.
	Resources []string
	// Batches are paths of arrays whose elements are counted: see Finder.BatchItems. A
	// name in another case is a SpellingError.
	Batches []string
	// Concatenated says that a body, or a line of NDJSON, may be several JSON texts.
	Concatenated bool
}

// Locations are places in a request, written and compared as those of Options.
type Locations struct {
	Bearer, Basic        bool // the scheme of the Authorization header
	Headers, Query, Form []string
	Multipart            []string
	Body                 []string
	BodyRows             []BodyRow
}

// BodyRow is the member Name of every element of the array In. Both are paths.
type BodyRow struct{ Name, In string }

// Requirement is what every row must have: one (Any) or all of the Fields, as a
// number or as text that is not blank; an array that is named as one has to have
// elements. A field in an array has to be in every element, and there has to be one. A
// repeated field counts with its last value. A field in another case is a SpellingError,
// unless it is also a credential or is removed.
type Requirement struct {
	Any    bool
	Fields []string // paths, from the row on
	// In is the path of the array whose elements are the rows; its name in another case
	// is a SpellingError. "" makes rows of the top-level object, of every element of a top-level
	// array, or of every NDJSON line.
	In string
}

// Finder finds credentials. It is immutable and safe for concurrent use.
type Finder struct {
	bearer, keep bool
	concatenated bool
	basic        string
	remove       Locations
	headers      []header
	headerLens   uint64 // bit n: a header name has length n modulo 64
	query, form  params
	multipart    params
	levels       []level // 0: the rows of the body
	fields       int     // how many members some requirement names
	arrays       []int   // levels of the arrays whose elements are rows, in the order of their marks
	resources    int     // length of Options.Resources
	batches      []int   // levels of Options.Batches
	looksAtJSON  bool
	formDocument bool // a field of a form may be a document
}

// New compiles o. It fails if a name is empty, invalid or given twice, if Basic
// is unknown, or if more than 64 names are to be watched in one place.
func New(o Options) (*Finder, error) {
	f := &Finder{bearer: o.Bearer, basic: o.Basic, keep: o.Keep, concatenated: o.Concatenated, remove: o.Remove, resources: len(o.Resources)}
	switch o.Basic {
	case "", "any", "user", "password":
	default:
		return nil, fmt.Errorf("reading credential basic: unknown part %q: use any, user or password", o.Basic)
	}
	if o.Bearer && o.Remove.Bearer || o.Basic != "" && o.Remove.Basic {
		return nil, errors.New("a scheme of Authorization is given both as a credential and as only removed: choose one")
	}
	if err := f.addHeaders(o); err != nil {
		return nil, fmt.Errorf("reading credential header: %w", err)
	}
	if err := f.query.init("query ", o.Query, o.Remove.Query, o.Documents.Query); err != nil {
		return nil, fmt.Errorf("reading credential query: %w", err)
	}
	if err := f.form.init("form ", o.Form, o.Remove.Form, o.Documents.Form); err != nil {
		return nil, fmt.Errorf("reading credential form: %w", err)
	}
	if err := f.multipart.init("multipart ", o.Multipart, o.Remove.Multipart, nil); err != nil {
		return nil, fmt.Errorf("reading credential multipart: %w", err)
	}
	if err := f.addMembers(o); err != nil {
		return nil, err
	}
	f.looksAtJSON = len(o.Body)+len(o.BodyRows)+len(o.Remove.Body)+len(o.Remove.BodyRows)+len(o.Require)+len(o.Resources)+len(o.Batches) > 0
	f.formDocument = len(o.Documents.Form) > 0
	return f, nil
}

// LooksAtJSON tells whether JSON has anything to find or to check.
func (f *Finder) LooksAtJSON() bool { return f.looksAtJSON }

// LooksAtForm tells whether Form has anything to find.
func (f *Finder) LooksAtForm() bool { return len(f.form.locations) > 0 }

// LooksAtFormDocument tells whether a field of a form may be a JSON document.
func (f *Finder) LooksAtFormDocument() bool { return f.formDocument }

// checkName refuses names that no client can send as such.
func checkName(name string) error {
	if name == "" {
		return fmt.Errorf("a name is empty: give one")
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, isControl) {
		return fmt.Errorf("name %q has control characters or is not UTF-8: correct it", name)
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }
