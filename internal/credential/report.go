package credential

import (
	"bytes"
	"slices"
)

// Shape is what a JSON body is.
type Shape uint8

// The shapes of a body.
const (
	ShapeNone   Shape = iota // empty, only white space, or not read
	ShapeObject              // one object
	ShapeArray               // one array
	ShapeLines               // NDJSON, or several texts
	ShapeOther               // one string, number, true, false or null
)

// MaxValues is how many distinct values of one resource a body can have.
const MaxValues = 64

// report is what a JSON body has in addition to its credentials.
type report struct {
	shape  Shape
	rows   []int // finished rows, by level
	unmet  unmet
	values []values // by index in Options.Resources
}

type unmet struct {
	req, row int
	ok       bool
}

// values are the values of one resource. Their bytes are in the arena of the Set.
type values struct {
	distinct [][]byte
	missing  int  // first row without it, or -1
	odd      bool // some row has neither a string, a number nor null
}

// Shape returns the shape of the body that JSON read.
func (s *Set) Shape() Shape { return s.shape }

// Items returns the number of elements of a top-level array, or the number of NDJSON
// lines (for a line that is an array its elements count); 1 for an object or a scalar, 0
// for an empty body.
func (s *Set) Items() int {
	if len(s.rows) == 0 {
		return 0
	}
	return s.rows[0]
}

// BatchItems returns the number of elements of the array Options.Batches[i] in
// the body that JSON read into s, of all rows together.
func (f *Finder) BatchItems(s *Set, i int) int {
	if level := f.batches[i]; level < len(s.rows) {
		return s.rows[level]
	}
	return 0
}

// Unmet returns the first requirement found unmet, as an index in
// Options.Require, and its 0-based row. Rows of Requirement.In are counted
// through the whole body. The row is -1 if there is no row: the body is empty, or the
// member that In names is missing or not an array. An empty array meets every
// requirement.
func (s *Set) Unmet() (req, row int, ok bool) {
	return s.unmet.req, s.unmet.row, s.unmet.ok
}

// Values returns the distinct values of Options.Resources[i] in the order found:
// strings unescaped, numbers as they are spelled. They are valid until Reset or PutSet.
// missingRow is the first 0-based row without a value, or -1 if all rows have one; it is
// 0 for an empty body. "", values of other types and values longer than MaxKey count as
// missing.
func (s *Set) Values(i int) (distinct [][]byte, missingRow int) {
	if i >= len(s.values) {
		return nil, 0
	}
	return s.values[i].distinct, s.values[i].missing
}

// Odd tells whether some row has, for Options.Resources[i], a value that Values counts as
// missing but that a lenient reader may use: not a string of up to MaxKey bytes, not a
// number, and not null.
func (s *Set) Odd(i int) bool { return i < len(s.values) && s.values[i].odd }

// reset empties the report for a body with so many levels and resources.
func (r *report) reset(levels, resources int) {
	r.shape, r.unmet = ShapeNone, unmet{}
	r.rows = r.rows[:0]
	for range levels {
		r.rows = append(r.rows, 0)
	}
	for i := range r.values {
		clear(r.values[i].distinct)
	}
	r.values = r.values[:0]
	for range resources {
		r.addResource()
	}
}

// addResource appends empty values, and reuses the memory of former ones.
func (r *report) addResource() {
	var old values
	if n := len(r.values); n < cap(r.values) {
		old = r.values[:n+1][n]
	}
	r.values = append(r.values, values{distinct: old.distinct[:0], missing: -1})
}

func (r *report) huge() bool { return cap(r.rows) > 256 || cap(r.values) > 256 }

// fail notes that requirement req is unmet in row, unless one was already noted.
func (r *report) fail(req, row int) {
	if !r.unmet.ok {
		r.unmet = unmet{req: req, row: row, ok: true}
	}
}

// lack notes that row has no value of a resource.
func (r *report) lack(resource, row int) {
	if v := &r.values[resource]; v.missing < 0 {
		v.missing = row
	}
}

// addValue notes a value of a resource. It fails if there are too many.
func (s *Set) addValue(resource int, value []byte) bool {
	v := &s.values[resource]
	for _, known := range slices.Backward(v.distinct) { // most rows repeat the previous value
		if bytes.Equal(known, value) {
			return true
		}
	}
	if len(v.distinct) == MaxValues {
		return false
	}
	v.distinct = append(v.distinct, s.arena.keep(value))
	return true
}
