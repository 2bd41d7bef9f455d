package credential

// watched reads the value of member m of level l in object o.
func (p *parser) watched(i, depth int, l *level, m int, o *object) int {
	bit := uint64(1) << m
	if o.seen&l.once&bit != 0 {
		p.err = ErrDuplicate
		return -1
	}
	o.seen |= bit
	w := &l.members[m]
	start, filled := i, false
	switch {
	case w.location != "":
		i = p.credential(i, depth, w.location, o)
	case w.remove:
		o.cut = true
		i = p.value(i, depth)
	case w.resource >= 0:
		i = p.resource(i, depth, w.resource, o)
	case w.level > 0:
		before := p.s.rows[w.level]
		i = p.objects(i, depth, w.level)
		o.add(p.got)
		filled = p.f.levels[w.level].rows != 0 && p.s.rows[w.level] > before
	default:
		i = p.value(i, depth)
	}
	if i < 0 {
		return -1
	}
	if w.field != 0 {
		o.fields &^= w.field
		if filled || p.identifies(p.b[start:i]) {
			o.fields |= w.field
		}
	}
	return i
}

// objects reads the value of a member to look into: an object or an array of objects.
func (p *parser) objects(i, depth, level int) int {
	p.got = marks{}
	switch {
	case i < len(p.b) && p.b[i] == '[':
		return p.array(i+1, level, depth+1)
	case i < len(p.b) && p.b[i] == '{' && p.f.levels[level].single:
		return p.object(i+1, level, depth+1)
	}
	return p.value(i, depth)
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

// credential reads the value of a credential member of object o.
func (p *parser) credential(i, depth int, location string, o *object) int {
	named := p.s.Judge == nil
	if i >= len(p.b) || p.b[i] != '"' {
		end := p.value(i, depth)
		if end < 0 {
			return -1
		}
		switch c := p.b[i]; { // only strings are keys
		case named && c != 'n':
			p.s.addMalformed(location, nil)
		case !named && (c == '[' || c == '-' || isDigit(c)): // some readers turn these into text
			text, _ := p.unescaped(p.b[i:end])
			o.cut = p.s.addNear(location, text)
			return end
		}
		o.cut = named
		return end
	}
	key, end, ok := p.text(i)
	switch {
	case end < 0:
		return -1
	case ok:
		o.cut = p.s.add(location, key)
	case named:
		return p.loneSurrogate(i)
	default:
		o.cut = p.s.addNear(location, key)
	}
	return end
}

// resource reads the value of a resource member.
func (p *parser) resource(i, depth, resource int, o *object) int {
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
	o.values |= 1 << resource
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
