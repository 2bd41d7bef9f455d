package credential

import (
	"encoding/binary"
	"strings"
	"unicode"
	"unicode/utf8"
)

// OpensJSON reports whether any JSON reader, even a lenient one, may read a body that
// begins with b as an object or an array. It accepts more than JSON does: it is for
// bodies that do not say what they are; JSON then refuses what it cannot read. Readers
// skip white space that JSON does not have, control characters, byte-order marks and
// comments, guess UTF-16 and UTF-32, and accept names without quotes. Other bodies are
// text or a binary format. They may also have a bracket among their first bytes.
//
// If whole is false, b is only the beginning of the body; decided is false if it is too
// short to tell.
func OpensJSON(b []byte, whole bool) (opens, decided bool) {
	decided = true
	for i, decode := range encodings {
		o := opening{b: b, whole: whole, decode: decode, strict: i == 0}
		switch o.read() {
		case verdictYes:
			return true, true
		case verdictMore:
			decided = false
		case verdictNo:
		}
	}
	return false, decided
}

// encodings decode the first character. n is its length in bytes, 0 if it is not
// complete.
var encodings = [...]func(b []byte) (r rune, n int){
	decodeValidUTF8, // first: its readers are strict otherwise
	decodeUTF8,
	func(b []byte) (rune, int) { return decode16(b, binary.LittleEndian) },
	func(b []byte) (rune, int) { return decode16(b, binary.BigEndian) },
	func(b []byte) (rune, int) { return decode32(b, binary.LittleEndian) },
	func(b []byte) (rune, int) { return decode32(b, binary.BigEndian) },
}

// decodeUTF8 reads bytes that are not UTF-8 as ISO 8859-1.
func decodeUTF8(b []byte) (rune, int) {
	if !utf8.FullRune(b) {
		return 0, 0
	}
	r, n := utf8.DecodeRune(b)
	if r == utf8.RuneError && n == 1 {
		return rune(b[0]), 1
	}
	return r, n
}

// decodeValidUTF8 leaves out bytes that are not UTF-8, as bytes.decode(errors="ignore")
// of Python does. Such readers do not skip control characters, of which binary formats
// have many.
func decodeValidUTF8(b []byte) (rune, int) {
	for left := 0; left < len(b) && utf8.FullRune(b[left:]); left++ {
		switch r, n := utf8.DecodeRune(b[left:]); {
		case r == utf8.RuneError && n == 1:
		case unicode.IsControl(r) && !unicode.IsSpace(r):
			return bad, left + n
		default:
			return r, left + n
		}
	}
	return 0, 0
}

func decode16(b []byte, order binary.ByteOrder) (rune, int) {
	if len(b) < 2 {
		return 0, 0
	}
	return rune(order.Uint16(b)), 2
}

func decode32(b []byte, order binary.ByteOrder) (rune, int) {
	if len(b) < 4 {
		return 0, 0
	}
	if c := order.Uint32(b); c <= unicode.MaxRune {
		return rune(c), 4
	}
	return bad, 4
}

// verdict is what the beginning of a body says about it.
type verdict uint8

const (
	verdictNo verdict = iota
	verdictYes
	verdictMore // not enough is there
)

// opening reads the beginning of a body in one encoding.
type opening struct {
	b      []byte // what is left
	whole  bool
	decode func(b []byte) (rune, int)
	strict bool // the only text without quotes is that of JSON
}

const (
	end rune = -1 // end of the bytes in b
	bad rune = -2 // no character
)

// peek returns the next character.
func (o *opening) peek() rune {
	r, n := o.decode(o.b)
	if n == 0 {
		return end
	}
	return r
}

// next skips the next character.
func (o *opening) next() {
	_, n := o.decode(o.b)
	o.b = o.b[n:]
}

// read reads the bracket and what follows it: a value in an array, a name and a colon in
// an object, or the closing bracket.
func (o *opening) read() verdict {
	o.skipGuard()
	bracket := o.skipLeadIn()
	switch bracket {
	case end:
		return o.atEnd()
	case '{', '[':
		o.next()
	default:
		return verdictNo
	}
	switch o.skipLeadIn() {
	case end:
		return o.atEnd()
	case '"', '\'', ',', ';':
		return verdictYes
	case '{', '[':
		return is(bracket == '[')
	case '}':
		return is(bracket == '{')
	case ']':
		return is(bracket == '[')
	}
	return o.word(bracket)
}

// word reads text without quotes, and what must follow it. org.json accepts several words
// as one name or value.
func (o *opening) word(bracket rune) verdict {
	if o.strict && (bracket == '{' || !strings.ContainsRune("-0123456789tfnNI", o.peek())) {
		return verdictNo
	}
	words := 0
	for isWord(o.peek()) {
		for isWord(o.peek()) {
			o.next()
		}
		words++
		for o.peek() >= ' ' && mayBeSkipped(o.peek()) {
			o.next()
		}
	}
	switch r := o.skipLeadIn(); {
	case words == 0:
		return verdictNo
	case r == end:
		return o.atEnd()
	case bracket == '{':
		return is(r == ':' || r == '=')
	default:
		return is(r == ',' || r == ';' || r == ']' && words == 1)
	}
}

// atEnd is the verdict at the end of b: if that is the whole body, no reader finds
// anything in it.
func (o *opening) atEnd() verdict {
	if o.whole {
		return verdictNo
	}
	return verdictMore
}

func is(yes bool) verdict {
	if yes {
		return verdictYes
	}
	return verdictNo
}

// guard comes before JSON that a browser must not run; Gson skips it.
const guard = ")]}'"

func (o *opening) skipGuard() {
	for _, want := range guard {
		if o.peek() != want {
			return
		}
		o.next()
	}
}

// skipLeadIn skips everything that some reader skips, and returns the next character.
func (o *opening) skipLeadIn() rune {
	for {
		switch r := o.peek(); {
		case r == '/':
			if !o.skipComment() {
				return r
			}
		case r == '#':
			o.skipLine()
		case r == end || !mayBeSkipped(r):
			return r
		default:
			o.next()
		}
	}
}

// skipComment skips a comment, and reports false if there is none.
func (o *opening) skipComment() bool {
	o.next()
	switch o.peek() {
	case '/':
		o.skipLine()
	case '*':
		o.next()
		o.skipBlock()
	case end:
	default:
		return false
	}
	return true
}

// skipLine skips to the next character that some reader treats as the end of a line.
func (o *opening) skipLine() {
	for {
		switch o.peek() {
		case end, '\n', '\r', '\u2028', '\u2029':
			return
		}
		o.next()
	}
}

// skipBlock skips to after the end of a comment.
func (o *opening) skipBlock() {
	for before := rune(0); ; {
		r := o.peek()
		if r == end {
			return
		}
		o.next()
		if before == '*' && r == '/' {
			return
		}
		before = r
	}
}

// mayBeSkipped reports whether some reader treats r as white space.
func mayBeSkipped(r rune) bool {
	switch r {
	case 0x7f, 0x180e, 0x200b, 0x2060, 0xfeff:
		return true
	}
	return 0 <= r && r <= ' ' || unicode.IsSpace(r)
}

// isWord reports whether r may be in a name or a text without quotes.
func isWord(r rune) bool {
	switch r {
	case end, bad, '{', '}', '[', ']', ',', ';', ':', '=', '"', '\'', '/', '#':
		return false
	}
	return !mayBeSkipped(r)
}
