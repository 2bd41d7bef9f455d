package credential

import "bytes"

// parser reads one JSON text, a body or one of many in it, in a single pass without
// recursion. It validates everything, and looks only at the members of rows.
//
// Methods that read something take the index of its start and return the index after it,
// or -1 after noting the error.
type parser struct {
	f   *Finder
	s   *Set
	b   []byte // up to the end of the text
	got marks  // what the object or array just read has
	err error
}

// JSON finds the credentials in a JSON body (UTF-8, RFC 8259; a byte-order mark
// is kept, an empty body is fine) and returns it without them, cut in place:
// clean starts where body does. With lines set, the body is NDJSON: one JSON
// text on every line that is not blank, lines end with LF or CRLF. If it begins
// with a record separator, it is a sequence of JSON texts with one before each
// (RFC 7464). With Options.Concatenated each of these may be several texts. An array in
// any of them has rows as elements, like an array that is the body.
//
// A member is cut with one comma; all other bytes stay. Then s has the requirements,
// resources and the shape of the body.
//
// It fails with a *SyntaxError, a *SpellingError, ErrDuplicate or ErrValues, and then returns body
// unchanged. It refuses more than RFC 8259 does, because readers differ in these: nesting deeper
// than 10,000, lone surrogates in the names of a row's members and in values of credentials and
// resources, NUL in the names of a row's members.
func (f *Finder) JSON(body []byte, lines bool, s *Set) (clean []byte, err error) {
	if err := f.scanJSON(body, lines, s); err != nil || f.keep {
		return body, err
	}
	return s.compact(body), nil
}

// scanJSON is JSON without making the cuts: it only notes them.
func (f *Finder) scanJSON(body []byte, lines bool, s *Set) error {
	s.cuts = s.cuts[:0]
	s.report.reset(len(f.levels), f.resources)
	p := parser{f: f, s: s, b: body}
	start := 0
	if bytes.HasPrefix(body, []byte("\xef\xbb\xbf")) {
		start = 3
	}
	if lines {
		p.lines(start)
	} else {
		p.document(start)
	}
	if p.err == nil && s.shape == ShapeNone {
		p.noRows()
	}
	return p.err
}

// document reads the one JSON text of a body.
func (p *parser) document(i int) {
	i = skipSpace(p.b, i)
	if i == len(p.b) {
		return
	}
	switch p.b[i] {
	case '{':
		p.s.shape = ShapeObject
	case '[':
		p.s.shape = ShapeArray
	default:
		p.s.shape = ShapeOther
	}
	p.texts(i)
}

// recordSeparator is before each text of a sequence, and never in a text.
const recordSeparator = 0x1e

// lines reads NDJSON, or a sequence of JSON texts.
func (p *parser) lines(i int) {
	separator := byte('\n')
	if first := skipSpace(p.b, i); first < len(p.b) && p.b[first] == recordSeparator {
		separator = recordSeparator
	}
	body := p.b
	for i <= len(body) && p.err == nil {
		end := len(body)
		if n := bytes.IndexByte(body[i:], separator); n >= 0 {
			end = i + n
		}
		p.b = body[:end]
		p.line(i)
		i = end + 1
	}
}

// line reads one text of many; p.b ends after it. The elements of an array are rows,
// because a backend that ignores the type of the body reads a single line in that way.
func (p *parser) line(i int) {
	i = skipSpace(p.b, i)
	if i == len(p.b) {
		return
	}
	p.s.shape = ShapeLines
	p.texts(i)
}

// rows reads an object that is a row, an array of rows, or a scalar.
func (p *parser) rows(i int) int {
	switch p.b[i] {
	case '{':
		return p.row(i+1, 0, 1)
	case '[':
		return p.array(i+1, 0, 1)
	}
	return p.scalarRow(i, 0, 0)
}

// texts reads the JSON text of a body or line, or all of them if there may be several:
// they are rows then, as lines are.
func (p *parser) texts(i int) {
	for {
		end := p.rows(i)
		if end < 0 {
			return
		}
		if i = skipSpace(p.b, end); i == len(p.b) {
			return
		}
		if !p.f.concatenated || i == end && !endsItself(p.b[i-1]) {
			p.fail(i, "data after the end of the JSON text")
			return
		}
		p.s.shape = ShapeLines
	}
}

// endsItself reports whether a JSON text that ends in c needs no separator after it.
func endsItself(c byte) bool { return c == '}' || c == ']' || c == '"' }

// fail notes the error and returns -1.
func (p *parser) fail(offset int, what string) int {
	p.err = &SyntaxError{Offset: offset, What: what}
	return -1
}

// unexpected fails at a byte that cannot be there, or at the end.
func (p *parser) unexpected(i int, want string) int {
	if i >= len(p.b) {
		return p.fail(len(p.b), "unexpected end")
	}
	return p.fail(i, want)
}

// skipSpace returns the index of the first byte from i on that is not white
// space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && spaces>>b[i]&1 != 0 {
		i++
	}
	return i
}

// spaces is the set of bytes that are white space.
const spaces = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'
