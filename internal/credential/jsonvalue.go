package credential

// maxDepth is how deep arrays and objects may nest, as in encoding/json.
const maxDepth = 10_000

// value reads any value. depth is the number of brackets open around it.
func (p *parser) value(i, depth int) int {
	if i >= len(p.b) {
		return p.unexpected(i, "")
	}
	switch p.b[i] {
	case '"':
		i, _ = p.str(i + 1)
		return i
	case '{', '[':
		return p.nested(i, depth)
	}
	return p.scalar(i)
}

// nested reads an object or an array, with all that is in it.
func (p *parser) nested(i, depth int) int {
	b, outside, object := p.b, depth, false
	for {
		if object {
			if i = p.name(i); i < 0 {
				return -1
			}
		}
		i = skipSpace(b, i)
		if i >= len(b) {
			return p.unexpected(i, "")
		}
		switch b[i] {
		case '{', '[':
			if depth == maxDepth {
				return p.fail(i, "nested too deep")
			}
			p.s.push(depth, object)
			depth, object = depth+1, b[i] == '{'
			i = skipSpace(b, i+1)
			if i < len(b) && b[i] != closing(object) {
				continue
			}
		case '"':
			i, _ = p.str(i + 1)
		default:
			i = p.scalar(i)
		}
		if i < 0 {
			return -1
		}
		for {
			i = skipSpace(b, i)
			if i < len(b) && b[i] == ',' {
				i++
				break
			}
			if i >= len(b) || b[i] != closing(object) {
				return p.unexpected(i, "want a comma or the end of the array or object")
			}
			i, depth = i+1, depth-1
			if depth == outside {
				return i
			}
			object = p.s.object(depth)
		}
	}
}

func closing(object bool) byte {
	if object {
		return '}'
	}
	return ']'
}

// name reads a member name that does not matter, and its colon.
func (p *parser) name(i int) int {
	i = skipSpace(p.b, i)
	if i >= len(p.b) || p.b[i] != '"' {
		return p.unexpected(i, "want a member name")
	}
	if i, _ = p.str(i + 1); i < 0 {
		return -1
	}
	return p.colon(i)
}

// push notes whether the bracket at depth is an object's.
func (s *Set) push(depth int, object bool) {
	bit := uint64(1) << (depth & 63)
	if object {
		s.stack[depth>>6] |= bit
	} else {
		s.stack[depth>>6] &^= bit
	}
}

// object tells what push noted.
func (s *Set) object(depth int) bool {
	return s.stack[depth>>6]>>(depth&63)&1 != 0
}

// scalar reads a number, true, false or null.
func (p *parser) scalar(i int) int {
	switch p.b[i] {
	case 't':
		return p.literal(i, "true")
	case 'f':
		return p.literal(i, "false")
	case 'n':
		return p.literal(i, "null")
	}
	return p.number(i)
}

func (p *parser) literal(i int, want string) int {
	if len(p.b)-i < len(want) || string(p.b[i:i+len(want)]) != want {
		return p.fail(i, "invalid literal")
	}
	return i + len(want)
}

// number reads -?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?
func (p *parser) number(i int) int {
	b := p.b
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case i < len(b) && isDigit(b[i]):
		i = skipDigits(b, i)
	default:
		return p.unexpected(i, "want a value")
	}
	if i < len(b) && b[i] == '.' {
		if i++; i >= len(b) || !isDigit(b[i]) {
			return p.unexpected(i, "want a digit")
		}
		i = skipDigits(b, i)
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if i >= len(b) || !isDigit(b[i]) {
			return p.unexpected(i, "want a digit")
		}
		i = skipDigits(b, i)
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && isDigit(b[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
