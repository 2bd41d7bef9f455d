package credential

// object is what is known about an object while its members are read.
type object struct {
	marks
	seen uint64 // members that were there
	kept bool   // a member before it stays
	cut  bool   // the member just read must be cut
}

// array reads the elements of an array of objects, from after its bracket. depth is the
// number of open brackets.
func (p *parser) array(i, level, depth int) int {
	if i = skipSpace(p.b, i); i < len(p.b) && p.b[i] == ']' {
		p.endArray(level, marks{})
		return i + 1
	}
	all := everything
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
		all.keep(p.got)
		i = skipSpace(p.b, i)
		switch {
		case i < len(p.b) && p.b[i] == ',':
			i++
		case i < len(p.b) && p.b[i] == ']':
			p.endArray(level, all)
			return i + 1
		default:
			return p.unexpected(i, "want a comma or the end of the array")
		}
	}
}

// everything is the start value for comparing the elements of an array.
var everything = marks{^uint64(0), ^uint64(0), ^uint64(0)}

// endArray notes what all elements of an array have, and that it is one.
func (p *parser) endArray(level int, all marks) {
	all.arrays |= p.f.levels[level].rows
	p.got = all
}

// scalarRow reads a row that is not an object and so has no members.
func (p *parser) scalarRow(i, level, depth int) int {
	array := i < len(p.b) && p.b[i] == '['
	if i = p.value(i, depth); i < 0 {
		return -1
	}
	p.got = marks{}
	p.endRow(level)
	if array { // some readers look for rows in arrays in arrays
		for mask := p.f.levels[level].within; mask != 0; {
			var resource int
			resource, mask = lowest(mask)
			p.s.values[resource].odd = true
		}
	}
	return i
}

// row reads an object that is a row, from after its brace.
func (p *parser) row(i, level, depth int) int {
	if i = p.object(i, level, depth); i >= 0 {
		p.endRow(level)
	}
	return i
}

// object reads an object, from after its brace.
func (p *parser) object(i, level, depth int) int {
	var o object
	if i = skipSpace(p.b, i); i < len(p.b) && p.b[i] == '}' {
		p.got = marks{}
		return i + 1
	}
	comma := 0 // index of the comma before the member
	for {
		start := skipSpace(p.b, i)
		o.cut = false
		if i = p.member(start, level, depth, &o); i < 0 {
			return -1
		}
		if o.cut {
			p.cutMember(start, i, comma, o.kept)
		}
		end := skipSpace(p.b, i)
		switch {
		case end < len(p.b) && p.b[end] == ',':
			comma, i = end, end+1
			if o.cut && !o.kept {
				p.s.cut(comma, comma+1)
			}
		case end < len(p.b) && p.b[end] == '}':
			p.got = o.marks
			return end + 1
		default:
			return p.unexpected(end, "want a comma or the end of the object")
		}
		o.kept = o.kept || !o.cut
	}
}

// cutMember notes that the member from start to end must be cut, with the comma before it
// if a member before it stays.
func (p *parser) cutMember(start, end, comma int, kept bool) {
	if kept {
		p.s.cut(comma, comma+1)
	}
	p.s.cut(start, end)
}

// member reads a name, a colon and a value.
func (p *parser) member(i, level, depth int, o *object) int {
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
	return p.watched(i, depth, l, m, o)
}

// match returns the index of the member of l whose name is between start and end, or -1.
// It fails if readers may understand the name differently.
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

// endRow counts the row just read and checks what it must have.
func (p *parser) endRow(level int) {
	l := &p.f.levels[level]
	n := p.s.rows[level]
	p.s.rows[level]++
	for _, need := range l.needs {
		if !need.met(p.got.fields) {
			p.s.fail(need.index, n)
		}
	}
	if level == 0 {
		p.endBodyRow(n)
	}
}

// endBodyRow checks that row n of the body has everything it must have.
func (p *parser) endBodyRow(n int) {
	for i, level := range p.f.arrays {
		if p.got.arrays>>i&1 == 0 {
			p.noArray(level)
		}
	}
	for missing := p.f.levels[0].within &^ p.got.values; missing != 0; {
		var resource int
		resource, missing = lowest(missing)
		p.s.lack(resource, n)
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
