package multipart

import (
	"bytes"
	"strings"
)

// maxHeader is how long the header of a part may be.
const maxHeader = 8 << 10

// Part is what the header of a part says.
type Part struct {
	// Name is the name of the field as written. It is a slice of the body.
	Name []byte
	// File says that it has a file name. Unsure says that not all readers see one.
	File, Unsure bool
	// Encoded says that the value is in a transfer encoding, which some readers decode.
	Encoded bool
}

// parseHeader reads the lines of a header, without the empty one.
func parseHeader(b []byte) (p Part, err error) {
	named := false
	for line := range bytes.SplitSeq(b, []byte("\r\n")) {
		name, value, colon := bytes.Cut(line, []byte(":"))
		if !colon || !isToken(name) || bytes.ContainsFunc(value, isControl) {
			return p, errHeader
		}
		value = bytes.Trim(value, " \t")
		switch {
		case bytes.EqualFold(name, []byte("Content-Disposition")):
			if named {
				return p, errName
			}
			named = true
			err = p.disposition(value)
		case bytes.EqualFold(name, []byte("Content-Type")) && len(value) >= len(nested) && bytes.EqualFold(value[:len(nested)], []byte(nested)):
			err = errNested
		case bytes.EqualFold(name, []byte("Content-Transfer-Encoding")):
			p.Encoded = p.Encoded || !isIdentity(value)
		}
		if err != nil {
			return p, err
		}
	}
	if !named {
		return p, errName
	}
	return p, nil
}

// nested is the start of types of parts in which some readers look for more parts.
const nested = "multipart/"

// isIdentity reports whether a Content-Transfer-Encoding leaves a value as it is.
func isIdentity(encoding []byte) bool {
	switch strings.ToLower(string(encoding)) {
	case "7bit", "8bit", "binary":
		return true
	}
	return false
}

// disposition reads form-data and its parameters.
func (p *Part) disposition(value []byte) error {
	kind, rest, more := bytes.Cut(value, []byte(";"))
	if !bytes.EqualFold(bytes.TrimRight(kind, " \t"), []byte("form-data")) {
		return errName
	}
	named, hasFileName := false, false
	for more {
		var name, text []byte
		var ok bool
		if name, text, rest, more, ok = parameter(rest); !ok {
			return errHeader
		}
		switch name, _, extended := strings.Cut(strings.ToLower(string(name)), "*"); {
		case name == "name" && (named || extended || mayBeEscaped(text)):
			return errName
		case name == "name":
			named, p.Name = true, text
		case name == "filename" && extended: // not all readers know this
			p.File = true
		case name == "filename" && hasFileName:
			return errHeader
		case name == "filename":
			p.File, hasFileName = true, len(text) > 0
		}
	}
	if !named {
		return errName
	}
	p.Unsure = p.File && !hasFileName
	return nil
}

// mayBeEscaped reports whether some readers unescape a name: backslashes, and encoded
// words (RFC 2047).
func mayBeEscaped(name []byte) bool {
	return bytes.IndexByte(name, '\\') >= 0 || bytes.Contains(name, []byte("=?"))
}

// parameter reads `name=value` or `name="value"`, and the text up to the next parameter.
func parameter(b []byte) (name, value, rest []byte, more, ok bool) {
	name, b, ok = bytes.Cut(bytes.TrimLeft(b, " \t"), []byte("="))
	if !ok || !isToken(name) {
		return nil, nil, nil, false, false
	}
	if quoted, isQuoted := bytes.CutPrefix(b, []byte(`"`)); isQuoted {
		if value, rest, ok = bytes.Cut(quoted, []byte(`"`)); !ok || bytes.HasSuffix(value, []byte(`\`)) {
			return nil, nil, nil, false, false // readers differ in whether \" ends it
		}
	} else {
		end := bytes.IndexAny(b, "; \t")
		if end < 0 {
			end = len(b)
		}
		// For PHP a single quote is a quote, too.
		if value, rest = b[:end], b[end:]; !isToken(value) || bytes.IndexByte(value, '\'') >= 0 {
			return nil, nil, nil, false, false
		}
	}
	rest = bytes.TrimLeft(rest, " \t")
	if len(rest) == 0 {
		return name, value, nil, false, true
	}
	if rest[0] != ';' {
		return nil, nil, nil, false, false
	}
	return name, value, rest[1:], true, true
}

// isToken reports whether b is a token (RFC 9110, section 5.6.2).
func isToken(b []byte) bool {
	for _, c := range b {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return len(b) > 0
}

// isControl reports whether r is a character that no header may have. Readers treat it as
// an end of line, as nothing, or as something else.
func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
