package copies

import "strings"

// JSON cuts the copies out of one or more valid JSON texts: a member whose value or name is
// a copy is cut with its comma; in all other strings only the bytes of the copy are cut. An
// element of an array stays as "", so that the others keep their places.
func (k *Key) JSON(text string) (out string, exact bool) {
	return k.untilNone(text, func(text string) (string, bool) {
		j := jsonCut{k: k, text: text, exact: true}
		j.texts()
		return apply(text, j.edits), j.exact
	})
}

// jsonCut reads JSON that is valid. Its methods take the index of the start of something
// and return the index after it.
type jsonCut struct {
	k     *Key
	text  string
	edits []edit
	exact bool
}

// texts reads texts one after the other, with anything between them.
func (j *jsonCut) texts() {
	for i := 0; i < len(j.text); {
		switch c := j.text[i]; {
		case c == '"' || c == '{' || c == '[' || c == '-' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z':
			i = j.element(i)
		default: // white space, record separators, a byte-order mark
			i++
		}
	}
}

// element reads a value that is not a member.
func (j *jsonCut) element(i int) int {
	end, gone := j.value(i)
	switch {
	case !gone:
	case j.text[i] == '"':
		j.edits = append(j.edits, edit{i + 1, end - 1, ""})
	default:
		j.edits = append(j.edits, edit{i, end, "null"})
	}
	return end
}

// value reads a value, and tells whether it is nothing but a copy. Then it makes no edits.
func (j *jsonCut) value(i int) (end int, gone bool) {
	switch j.text[i] {
	case '{':
		return j.object(i + 1), false
	case '[':
		return j.array(i + 1), false
	case '"':
		end = stringEnd(j.text, i+1)
		out, changed := j.cut(i+1, end-1)
		if changed && out != "" {
			j.edits = append(j.edits, edit{i + 1, end - 1, out})
		}
		return end, changed && out == ""
	}
	end = i + 1
	for end < len(j.text) && strings.IndexByte(" \t\r\n,]}\x1e", j.text[end]) < 0 {
		end++
	}
	if j.k.In(j.text[i:end]) {
		whole := j.text[i:end] == j.k.text
		j.exact = j.exact && (whole || j.k.short)
		return end, whole || !j.k.short
	}
	return end, false
}

// cut cuts the copies out of the text between quotes.
func (j *jsonCut) cut(from, to int) (out string, changed bool) {
	text := j.text[from:to]
	if !j.k.In(text) {
		return text, false
	}
	out, exact := j.k.cutText(text, true)
	j.exact = j.exact && exact
	return out, out != text
}

// array reads the elements of an array.
func (j *jsonCut) array(i int) int {
	for i < len(j.text) {
		switch j.text[i] {
		case ']':
			return i + 1
		case ' ', '\t', '\r', '\n', ',':
			i++
		default:
			i = j.element(i)
		}
	}
	return i
}

// object reads the members of an object.
func (j *jsonCut) object(i int) int {
	kept, comma := false, -1 // a member that stays precedes; the comma before this one
	for i < len(j.text) {
		switch j.text[i] {
		case '}':
			return i + 1
		case ' ', '\t', '\r', '\n':
			i++
		case ',':
			comma = i
			i++
		default:
			start, before := i, len(j.edits)
			end, gone := j.member(i)
			i = end
			if !gone {
				kept = true
				continue
			}
			j.edits = j.edits[:before]
			i = j.cutMember(start, end, comma, kept)
		}
	}
	return i
}

// cutMember cuts a member with one comma, and returns where to read on.
func (j *jsonCut) cutMember(start, end, comma int, kept bool) int {
	if kept {
		j.edits = append(j.edits, edit{comma, comma + 1, ""}, edit{start, end, ""})
		return end
	}
	j.edits = append(j.edits, edit{start, end, ""})
	next := skipSpace(j.text, end)
	if next < len(j.text) && j.text[next] == ',' {
		j.edits = append(j.edits, edit{next, next + 1, ""})
		return next + 1
	}
	return next
}

// member reads a name and a value, and tells whether one of them is nothing but a copy.
func (j *jsonCut) member(i int) (end int, gone bool) {
	nameEnd := stringEnd(j.text, i+1)
	name, changed := j.cut(i+1, nameEnd-1)
	if changed && name != "" {
		j.edits = append(j.edits, edit{i + 1, nameEnd - 1, name})
	}
	value := skipSpace(j.text, nameEnd)
	value = skipSpace(j.text, min(value+1, len(j.text))) // the colon
	if value == len(j.text) {
		return value, false
	}
	end, gone = j.value(value)
	return end, gone || changed && name == ""
}

// stringEnd returns the index after the quote that ends a string.
func stringEnd(text string, i int) int {
	for i < len(text) {
		n := strings.IndexAny(text[i:], `"\`)
		if n < 0 {
			break
		}
		if i += n; text[i] == '"' {
			return i + 1
		}
		i += 2
	}
	return len(text)
}

func skipSpace(text string, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\t' || text[i] == '\r' || text[i] == '\n') {
		i++
	}
	return i
}
