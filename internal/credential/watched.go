package credential

// watched reads the value of member m of level l in row r.
func (p *parser) watched(i, depth int, l *level, m int, r *row) int {
	bit := uint64(1) << m
	if r.seen&l.once&bit != 0 {
		p.err = ErrDuplicate
		return -1
	}
	r.seen |= bit
	w := &l.members[m]
	start, filled := i, false
	switch {
	case w.location != "":
		i = p.credential(i, depth, w.location, r)
	case w.remove:
		r.cut = true
		i = p.value(i, depth)
	case w.resource >= 0:
		i = p.resource(i, depth, w.resource, bit, r)
	case w.rows > 0 && i < len(p.b) && p.b[i] == '[':
		r.arrays |= bit
		before := p.s.rows[w.rows]
		i = p.array(i+1, w.rows, depth+1)
		filled = p.s.rows[w.rows] > before
	default:
		r.arrays &^= bit
		i = p.value(i, depth)
	}
	if i < 0 {
		return -1
	}
	r.have &^= bit
	if filled || p.identifies(p.b[start:i]) {
		r.have |= bit
	}
	return i
}

// identifies tells whether a JSON value is a number, or text that is not blank.
func (p *parser) identifies(value []byte) bool {
	switch c := value[0]; {
	case c == '-' || isDigit(c):
		return true
	case c != '"':
		return false
	}
	text := value[1 : len(value)-1]
	if len(text) > 0 && text[0] > ' ' && text[0] < 0x7f && text[0] != '\\' {
		return true
	}
	text, _ = p.unescaped(text)
	return !isBlank(text)
}

// blank tells whether a JSON value is null or "", which resources may be.
func blank(value []byte) bool {
	return value[0] == 'n' || string(value) == `""`
}

// credential reads the value of a credential member of row r.
func (p *parser) credential(i, depth int, location string, r *row) int {
	named := p.s.Judge == nil
	if i >= len(p.b) || p.b[i] != '"' {
		end := p.value(i, depth)
		if end < 0 {
			return -1
		}
		switch c := p.b[i]; { // only strings are keys
		case named && c != 'n':
			p.s.addMalformed(location, nil)
		case !named && (c == '[' || c == '-' || isDigit(c)): // of which some readers make text
			text, _ := p.unescaped(p.b[i:end])
			r.cut = p.s.addNear(location, text)
			return end
		}
		r.cut = named
		return end
	}
	key, end, ok := p.text(i)
	switch {
	case end < 0:
		return -1
	case ok:
		r.cut = p.s.add(location, key)
	case named:
		return p.loneSurrogate(i)
	default:
		r.cut = p.s.addNear(location, key)
	}
	return end
}

// resource reads the value of a resource member.
func (p *parser) resource(i, depth, resource int, bit uint64, r *row) int {
	var value []byte
	var end int
	switch {
	case i < len(p.b) && p.b[i] == '"':
		var ok bool
		if value, end, ok = p.text(i); end >= 0 && !ok {
			return p.loneSurrogate(i)
		}
	default:
		end = p.value(i, depth)
		if end >= 0 && (p.b[i] == '-' || isDigit(p.b[i])) {
			value = p.b[i:end]
		}
	}
	if end < 0 {
		return end
	}
	if len(value) == 0 || len(value) > MaxKey {
		p.s.values[resource].odd = p.s.values[resource].odd || !blank(p.b[i:end])
		return end
	}
	r.values |= bit
	if !p.s.addValue(resource, value) {
		p.err = ErrValues
		return -1
	}
	return end
}

// text reads a string, with its quotes, and reports whether it means the same to all
// readers. The text is valid until the next one is read.
func (p *parser) text(i int) (text []byte, end int, ok bool) {
	end, plain := p.str(i + 1)
	if end < 0 {
		return nil, -1, false
	}
	text = p.b[i+1 : end-1]
	if plain {
		return text, end, true
	}
	text, ok = appendUnescaped(p.s.arena.room(len(text)), text)
	return text, end, ok
}

func (p *parser) loneSurrogate(i int) int {
	return p.fail(i, "lone surrogate in the value of a credential or resource member")
}
