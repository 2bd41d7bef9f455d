package credential

import "math/bits"

// row is what is known of an object whose members are looked at.
type row struct {
	seen   uint64 // members that were there
	have   uint64 // members that identify something
	arrays uint64 // members that are arrays
	values uint64 // resources that have a value
	kept   bool   // a member that stays precedes
	cut    bool   // the member just read is to go
}

// array reads the elements of an array of rows, from behind its bracket. depth
// is the number of brackets open.
func (p *parser) array(i, level, depth int) int {
	if i = skipSpace(p.b, i); i < len(p.b) && p.b[i] == ']' {
		return i + 1
	}
	for {
		i = skipSpace(p.b, i)
		if i < len(p.b) && p.b[i] == '{' {
			i = p.row(i+1, level, depth+1)
		} else {
			i = p.scalarRow(i, level, depth)
		}
		if i < 0 {
			return -1
		}
		i = skipSpace(p.b, i)
		switch {
		case i < len(p.b) && p.b[i] == ',':
			i++
		case i < len(p.b) && p.b[i] == ']':
			return i + 1
		default:
			return p.unexpected(i, "want a comma or the end of the array")
		}
	}
}

// scalarRow reads a row that is no object, so that it has no members.
func (p *parser) scalarRow(i, level, depth int) int {
	array := i < len(p.b) && p.b[i] == '['
	i = p.value(i, depth)
	if i >= 0 {
		p.endRow(level, &row{})
	}
	for resource := range p.s.values {
		// Some readers look for rows in arrays in arrays.
		p.s.values[resource].odd = p.s.values[resource].odd || array && level == 0
	}
	return i
}

// row reads an object, from behind its brace.
func (p *parser) row(i, level, depth int) int {
	var r row
	if i = skipSpace(p.b, i); i < len(p.b) && p.b[i] == '}' {
		p.endRow(level, &r)
		return i + 1
	}
	comma := 0 // index of the comma before the member
	for {
		start := skipSpace(p.b, i)
		r.cut = false
		if i = p.member(start, level, depth, &r); i < 0 {
			return -1
		}
		if r.cut {
			p.cutMember(start, i, comma, r.kept)
		}
		end := skipSpace(p.b, i)
		switch {
		case end < len(p.b) && p.b[end] == ',':
			comma, i = end, end+1
			if r.cut && !r.kept {
				p.s.cut(comma, comma+1)
			}
		case end < len(p.b) && p.b[end] == '}':
			p.endRow(level, &r)
			return end + 1
		default:
			return p.unexpected(end, "want a comma or the end of the object")
		}
		r.kept = r.kept || !r.cut
	}
}

// cutMember notes that the member from start to end goes, with the comma before
// it if it follows one that stays.
func (p *parser) cutMember(start, end, comma int, kept bool) {
	if kept {
		p.s.cut(comma, comma+1)
	}
	p.s.cut(start, end)
}

// member reads a name, a colon and a value.
func (p *parser) member(i, level, depth int, r *row) int {
	if i >= len(p.b) || p.b[i] != '"' {
		return p.unexpected(i, "want a member name")
	}
	end, plain := p.str(i + 1)
	if end < 0 {
		return -1
	}
	l := &p.f.levels[level]
	m, ok := -1, true
	if !plain || l.names.may(p.b[i+1:end-1]) {
		m, ok = p.match(l, i+1, end-1, plain)
	}
	if !ok {
		return -1
	}
	if i = p.colon(end); i < 0 {
		return -1
	}
	if m < 0 {
		return p.value(i, depth)
	}
	return p.watched(i, depth, l, m, r)
}

// match returns the index of the member of l whose name stands between start
// and end, or -1. It fails if readers may differ in the name of a row's member.
func (p *parser) match(l *level, start, end int, plain bool) (m int, ok bool) {
	name := p.b[start:end]
	if !plain {
		var clean bool
		name, clean = p.unescaped(name)
		if !clean && l.exact {
			p.fail(start, "lone surrogate or NUL in a member name")
			return -1, false
		}
	}
	m = l.names.match(name, plain)
	if m >= 0 && l.spelled>>m&1 != 0 && !l.names.is(m, name) {
		p.err = &SpellingError{Name: string(l.names.list[m])}
		return -1, false
	}
	return m, true
}

// colon reads a colon and the white space around it.
func (p *parser) colon(i int) int {
	if i+1 < len(p.b) && p.b[i] == ':' && p.b[i+1] > ' ' {
		return i + 1
	}
	if i = skipSpace(p.b, i); i >= len(p.b) || p.b[i] != ':' {
		return p.unexpected(i, "want a colon")
	}
	return skipSpace(p.b, i+1)
}

// endRow checks what a row must have and counts it.
func (p *parser) endRow(level int, r *row) {
	l := &p.f.levels[level]
	n := p.s.rows[level]
	p.s.rows[level]++
	for _, need := range l.needs {
		if !need.met(r.have) {
			p.s.fail(need.index, n)
		}
	}
	for missing := l.arrays &^ r.arrays; missing != 0; missing &= missing - 1 {
		p.noArray(l.members[bits.TrailingZeros64(missing)].rows)
	}
	for missing := l.resources &^ r.values; missing != 0; missing &= missing - 1 {
		p.s.lack(l.members[bits.TrailingZeros64(missing)].resource, n)
	}
}

// noArray notes that there is no array with the rows of a level.
func (p *parser) noArray(level int) {
	if needs := p.f.levels[level].needs; len(needs) > 0 {
		p.s.fail(needs[0].index, -1)
	}
}

// noRows notes that the body is empty.
func (p *parser) noRows() {
	for level := range p.f.levels {
		p.noArray(level)
	}
	for i := range p.f.resources {
		p.s.lack(i, 0)
	}
}
