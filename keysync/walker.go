package keysync

// walker steps through JSON that is already known to be valid, and therefore
// checks no syntax.
type walker struct {
	b   []byte
	pos int
}

// peek skips white space and returns the first byte of what follows, or 0 at
// the end.
func (w *walker) peek() byte {
	for ; w.pos < len(w.b); w.pos++ {
		if c := w.b[w.pos]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// raw consumes one value and returns its text.
func (w *walker) raw() []byte {
	first := w.peek()
	start := w.pos
	switch first {
	case '"':
		w.skipString()
	case '{', '[':
		w.skipNested()
	default:
		w.skipScalar()
	}
	return w.b[start:w.pos]
}

func (w *walker) skipString() {
	for w.pos++; w.b[w.pos] != '"'; w.pos++ {
		if w.b[w.pos] == '\\' {
			w.pos++
		}
	}
	w.pos++
}

func (w *walker) skipNested() {
	for depth := 0; ; {
		switch w.b[w.pos] {
		case '"':
			w.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		w.pos++
		if depth == 0 {
			return
		}
	}
}

func (w *walker) skipScalar() {
	for ; w.pos < len(w.b); w.pos++ {
		switch w.b[w.pos] {
		case ',', ']', '}', ' ', '\t', '\r', '\n':
			return
		}
	}
}

// members consumes an object. It calls each with the text of every name and
// value, and the value's position.
func (w *walker) members(each func(name, value []byte, pos int) error) error {
	w.peek()
	w.pos++
	for w.peek() != '}' {
		name := w.raw()
		w.peek()
		w.pos++ // the colon
		w.peek()
		pos := w.pos
		if err := each(name, w.raw(), pos); err != nil {
			return err
		}
		w.skipComma()
	}
	w.pos++
	return nil
}

// elements consumes an array. It calls each with the text of every element.
func (w *walker) elements(each func(value []byte) error) error {
	w.peek()
	w.pos++
	for w.peek() != ']' {
		if err := each(w.raw()); err != nil {
			return err
		}
		w.skipComma()
	}
	w.pos++
	return nil
}

func (w *walker) skipComma() {
	if w.peek() == ',' {
		w.pos++
	}
}
