// Package embedded reads JSON documents that are the value of a field in a query or a form,
// percent-encoded as such values are: the document itself, or its base64. A cut in the
// document is made in the value; all other bytes stay as they were.
package embedded

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
)

var (
	// ErrNoDocument means that a value is neither an object or array of JSON nor its base64.
	ErrNoDocument = errors.New("the value is neither a JSON object or array nor the base64 of one")
	// ErrAmbiguous means that readers may read different documents in a value.
	ErrAmbiguous = errors.New("the value is base64 with plus signs that are not percent-encoded, and is also a document without them")
)

// Document is a document in a value.
type Document struct {
	// JSON is the document. It is a copy.
	JSON []byte

	raw    []byte
	base64 *base64.Encoding // nil if the value is the document itself
	// How the value writes base64 characters that have a meaning in queries and forms:
	escapes bool // percent-encoded
	plus    bool // '+' as it is
}

// Open reads a value. Its bytes must not change while the document is in use.
func Open(raw []byte) (*Document, error) {
	d := &Document{raw: raw}
	text, ok := decode(raw, ' ')
	switch {
	case !ok:
		return nil, ErrNoDocument
	case opens(text):
		d.JSON = text
		return d, nil
	}
	if err := d.openBase64(text); err != nil {
		return nil, err
	}
	return d, nil
}

// openBase64 opens a value that decodes to text.
func (d *Document) openBase64(text []byte) error {
	d.escapes = bytes.IndexByte(d.raw, '%') >= 0
	d.plus = bytes.IndexByte(d.raw, '+') >= 0
	defer clear(text)
	digits := withoutLineBreaks(text)
	if d.plus {
		digits, _ = decode(d.raw, '+')
		digits = withoutLineBreaks(digits)
	}
	defer clear(digits)
	if d.base64 = encodingOf(digits); d.base64 == nil {
		return ErrNoDocument
	}
	var err error
	d.JSON, err = d.base64.AppendDecode(nil, digits)
	switch {
	case err != nil || !opens(d.JSON):
		err = ErrNoDocument
	case d.plus && isAnother(text):
		err = ErrAmbiguous
	}
	if err != nil {
		d.Wipe()
	}
	return err
}

// withoutLineBreaks drops them, which encoders put between the lines and all decoders skip.
// It works in place.
func withoutLineBreaks(text []byte) []byte {
	kept := text[:0]
	for _, c := range text {
		if c != '\r' && c != '\n' {
			kept = append(kept, c)
		}
	}
	return kept
}

// isAnother reports whether text is also a document for readers that skip spaces, after a
// form decoder has turned each '+' into a space.
func isAnother(text []byte) bool {
	skipped := bytes.ReplaceAll(text, []byte(" "), nil)
	defer clear(skipped)
	skipped = bytes.TrimRight(skipped, "=")
	if len(skipped)%4 == 1 {
		skipped = skipped[:len(skipped)-1]
	}
	other, _ := base64.RawStdEncoding.AppendDecode(nil, skipped)
	defer clear(other)
	return json.Valid(other)
}

// encodingOf returns the base64 encoding of a text, nil if it is not base64.
func encodingOf(text []byte) *base64.Encoding {
	bare := bytes.TrimRight(text, "=")
	padding := len(text) - len(bare)
	std, url := bytes.ContainsAny(bare, "+/"), bytes.ContainsAny(bare, "-_")
	switch {
	case padding > 2, padding > 0 && len(text)%4 != 0:
		return nil
	case padding == 0 && url:
		return base64.RawURLEncoding.Strict()
	case padding == 0 && len(text)%4 != 0 && std:
		return base64.RawStdEncoding.Strict()
	case padding == 0 && len(text)%4 != 0: // without padding it is the URL alphabet
		return base64.RawURLEncoding.Strict()
	case url:
		return base64.URLEncoding.Strict()
	}
	return base64.StdEncoding.Strict()
}

// opens reports whether a text opens an object or an array.
func opens(text []byte) bool {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// Span is the bytes From up to, but without, To.
type Span struct{ From, To int }

// Without returns the value without the given spans of the document. Spans are in ascending
// order and do not touch.
func (d *Document) Without(spans []Span) []byte {
	if d.base64 == nil {
		return d.rawWithout(spans)
	}
	rest := make([]byte, 0, len(d.JSON))
	pos := 0
	for _, s := range spans {
		rest = append(rest, d.JSON[pos:s.From]...)
		pos = s.To
	}
	rest = append(rest, d.JSON[pos:]...)
	defer clear(rest)
	return d.encode(rest)
}

// rawWithout cuts the bytes of the spans out of the value.
func (d *Document) rawWithout(spans []Span) []byte {
	rest := make([]byte, 0, len(d.raw))
	pos := 0 // in the document
	for i := 0; i < len(d.raw); pos++ {
		n := 1
		if d.raw[i] == '%' {
			n = len("%XX")
		}
		for len(spans) > 0 && spans[0].To <= pos {
			spans = spans[1:]
		}
		if len(spans) == 0 || pos < spans[0].From {
			rest = append(rest, d.raw[i:i+n]...)
		}
		i += n
	}
	return rest
}

// encode returns the value for another document, encoded like this one.
func (d *Document) encode(document []byte) []byte {
	text := d.base64.AppendEncode(nil, document)
	value := make([]byte, 0, len(text))
	for _, c := range text {
		switch {
		case c == '+' && !d.plus:
			value = append(value, "%2B"...)
		case c == '/' && d.escapes:
			value = append(value, "%2F"...)
		case c == '=' && d.escapes:
			value = append(value, "%3D"...)
		default:
			value = append(value, c)
		}
	}
	return value
}

// Wipe overwrites the document.
func (d *Document) Wipe() {
	clear(d.JSON)
	d.JSON = nil
}

// decode returns a value with %XX decoded and each '+' replaced by plus. It fails at a
// bad escape.
func decode(raw []byte, plus byte) ([]byte, bool) {
	text := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		switch c {
		case '+':
			c = plus
		case '%':
			v := unhex(raw[i+1:])
			if v < 0 {
				return text, false
			}
			c, i = byte(v), i+2
		}
		text = append(text, c)
	}
	return text, true
}

// unhex returns the value of two hexadecimal digits, -1 if they are not digits.
func unhex(digits []byte) int {
	var v [1]byte
	if len(digits) < 2 {
		return -1
	}
	if _, err := hex.Decode(v[:], digits[:2]); err != nil {
		return -1
	}
	return int(v[0])
}
