// Package credential finds API keys in a request and cuts them out of it: in
// headers, in the query, in form, multipart and JSON bodies. All other bytes stay as they
// are: nothing is reordered, re-encoded or reformatted.
//
// A Finder says where to look and is shared by all requests. A Set collects
// what one request holds; it owns copies of the keys and wipes them.
package credential

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// MaxKey is the length in bytes above which a credential cannot be a key.
const MaxKey = 4096

// Options says where credentials may be, and what else to check in the same scan of a
// JSON body. The zero value looks nowhere.
type Options struct {
	// Bearer looks at the Authorization header for the scheme Bearer (RFC 6750).
	Bearer bool
	// Basic looks at the Authorization header for the scheme Basic (RFC 7617):
	// "user" and "password" say which part is the key, "any" takes the password
	// or, if that is empty, the user name. "" does not look.
	Basic string
	// Schemes are other schemes to look for in the Authorization header, compared
	// like strings.EqualFold. What follows is the key, or `token="…"` and other
	// parameters, as Rails has it.
	Schemes []string
	// Headers are header names, compared as package fieldname does.
	Headers []string
	// Pairs are pairs of a name and a value in the values of other headers.
	Pairs []Pair
	// Paths are patterns of paths in which the segment {key} is the credential.
	Paths []string
	// Drop are header names, compared in the same way, that no client may send: Headers
	// deletes them unread, also with Keep.
	Drop []string
	// Plain are header names, compared in the same way, of which a client may send only
	// the plain spelling: Headers deletes every other spelling unread, also with Keep.
	Plain []string
	// Query are names of query parameters, compared like strings.EqualFold.
	Query []string
	// Form are fields of an application/x-www-form-urlencoded body, compared
	// like strings.EqualFold.
	Form []string
	// Multipart are fields of a multipart/form-data body, compared in the same way.
	Multipart []string
	// Documents are fields whose value is a JSON document. They are searched like a JSON
	// body.
	Documents Documents
	// Body are paths (config.ParsePath) of members of a JSON object: the top-level one,
	// every element of a top-level array, or every line of NDJSON. A member on the way is
	// an object, or an array of them. Names are compared like strings.EqualFold.
	Body []string
	// BodyRows are the same for the elements of an array.
	BodyRows []BodyRow
	// Remove are locations that are not for credentials. Their values are cut unread,
	// like credentials. They may be malformed or repeated.
	Remove Locations
	// Keep finds every credential but cuts nothing, also nothing of Remove.
	Keep bool

	// Require lists what the rows of a JSON body must have.
	Require []Requirement
	// Resources are paths like those of Body. Set.Values reports the distinct values of
	// these members. A name with other upper and lower case is a SpellingError.
	Resources []string
	// Batches are paths of arrays whose elements are counted: see Finder.BatchItems. A
	// name with other upper and lower case is a SpellingError.
	Batches []string
	// Concatenated says that a body, or a line of NDJSON, may be several JSON texts.
	Concatenated bool
}

// Locations are places in a request, written and compared as those of Options.
type Locations struct {
	Bearer, Basic        bool // the scheme of the Authorization header
	Schemes              []string
	Headers, Query, Form []string
	Pairs                []Pair
	Paths                []string
	Multipart            []string
	Body                 []string
	BodyRows             []BodyRow
}

// BodyRow is the member Name of every element of the array In. Both are paths.
type BodyRow struct{ Name, In string }

// Requirement is what every row must have: one (Any) or all of the Fields, as a number or
// as text that is not blank. An array that is named as one must have elements. A field in
// an array must be in every element, and there must be at least one element. Of a
// repeated field the last value counts. A field with other upper and lower case is a
// SpellingError, unless it is also a credential or is removed.
type Requirement struct {
	Any    bool
	Fields []string // paths, from the row on
	// In is the path of the array whose elements are the rows; its name with other upper and
	// lower case is a SpellingError. With "" the rows are the top-level object, every element of
	// a top-level array, or every NDJSON line.
	In string
}

// Finder finds credentials. It is immutable and safe for concurrent use.
type Finder struct {
	keep         bool
	concatenated bool
	schemes      []scheme
	headers      []header
	headerMarks  [64]uint64 // by length modulo 64 of header names: the marks of their first bytes
	paths        []pathPattern
	query, form  params
	multipart    params
	levels       []level // 0: the rows of the body
	fields       int     // how many members the requirements name
	arrays       []int   // levels of the arrays whose elements are rows, in the order of their marks
	resources    int     // length of Options.Resources
	batches      []int   // levels of Options.Batches
	looksAtJSON  bool
	formDocument bool // a field of a form may be a document
}

// New compiles o. It fails if a name is empty, invalid or given twice, if Basic
// is unknown, or if one place has more than 64 names.
func New(o Options) (*Finder, error) {
	f := &Finder{keep: o.Keep, concatenated: o.Concatenated, resources: len(o.Resources)}
	if err := f.addSchemes(o); err != nil {
		return nil, fmt.Errorf("reading credential in Authorization: %w", err)
	}
	if err := f.addHeaders(o); err != nil {
		return nil, fmt.Errorf("reading credential header: %w", err)
	}
	if err := f.addPaths(o); err != nil {
		return nil, fmt.Errorf("reading credential path: %w", err)
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
