package copies

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxRounds is how often a text is searched again after a cut: the text around a copy may
// become a copy by the cut. That never happens by chance.
const maxRounds = 4

// edit replaces text[from:to] by another text, mostly by nothing.
type edit struct {
	from, to int
	text     string
}

// apply makes edits that are in order.
func apply(text string, edits []edit) string {
	var b strings.Builder
	at := 0
	for _, e := range edits {
		if e.from < at { // overlaps the previous one
			e.from, e.text = at, ""
		}
		b.WriteString(text[at:e.from])
		b.WriteString(e.text)
		at = max(at, e.to)
	}
	b.WriteString(text[at:])
	return b.String()
}

// untilNone cuts again and again until nothing is found. If something is still found after
// maxRounds, it drops the whole text.
func (k *Key) untilNone(text string, cut func(text string) (out string, exact bool)) (string, bool) {
	exact := true
	for range maxRounds {
		if !k.In(text) {
			return text, exact
		}
		out, ok := cut(text)
		exact = exact && ok
		if out == text && k.short { // it is a part of some value
			return text, exact
		}
		if out == text { // it is in no value
			return "", false
		}
		text = out
	}
	if k.In(text) {
		return "", false
	}
	return text, exact
}

// IsText tells whether bytes are text, which can be cut: in other formats a cut would make
// lengths wrong.
func IsText(b []byte) bool {
	return utf8.Valid(b) && !bytes.ContainsFunc(b, func(r rune) bool { return r < ' ' && r != '\t' && r != '\r' && r != '\n' || r == 0x7f })
}

// Text cuts the copies out of a text of no special kind.
func (k *Key) Text(text string) (out string, exact bool) { return k.cutText(text, false) }

// cutText cuts the copies out of a text, or out of the content of a JSON string.
func (k *Key) cutText(text string, inJSON bool) (out string, exact bool) {
	return k.untilNone(text, func(text string) (string, bool) {
		edits, exact := k.edits(text, inJSON)
		return apply(text, edits), exact
	})
}

// edits returns the changes in a text that remove all copies.
func (k *Key) edits(text string, inJSON bool) (edits []edit, exact bool) {
	exact = true
	for from := 0; ; {
		at := k.nextPlain(text, from)
		if at < 0 {
			break
		}
		from = at + len(k.text)
		edits = append(edits, edit{beforeEscape(text, at, inJSON), from, ""})
	}
	for i := range len(escapes) {
		for to := 0; k.wants(escapes[i]); {
			var from int
			if from, to = k.nextEscaped(text, escapes[i], to); to == 0 {
				break
			}
			edits = append(edits, edit{beforeEscape(text, from, inJSON), to, ""})
		}
	}
	allowed := allowance(text)
	for phase := range k.coded {
		for to := 0; !k.short && !k.decoded; {
			var from int
			if from, to = k.nextCoded(text, phase, to); to == 0 {
				break
			}
			e, ok := k.recode(text, phase, from, to, &allowed)
			edits, to, exact = append(edits, e), max(to, e.to), exact && ok
		}
	}
	if k.short && (len(edits) != 1 || edits[0].from != 0 || edits[0].to != len(text)) {
		return nil, exact
	}
	slices.SortFunc(edits, func(a, b edit) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	return edits, exact
}

// beforeEscape returns where to cut so that no half of an escape is left: at the start of
// the key, or at the start of the escape in which it begins.
func beforeEscape(text string, at int, inJSON bool) int {
	for _, size := range [...]int{1, 2} {
		if n := at - size; n >= 0 && text[n] == '%' {
			if _, ok := hex(text, n+1, 2); ok {
				return n
			}
		}
	}
	if !inJSON {
		return at
	}
	for n := at - 1; n >= max(0, at-len(`\uXXX`)); n-- {
		if text[n] != '\\' {
			continue
		}
		before := len(text[:n+1]) - len(strings.TrimRight(text[:n+1], `\`))
		if before%2 == 1 && (n == at-1 || text[n+1] == 'u') {
			return n
		}
		break
	}
	return at
}

// recode cuts a copy out of the base64 around it.
func (k *Key) recode(text string, phase, from, to int, allowed *int) (e edit, exact bool) {
	plain, how, ok := k.decode(text, phase, from, to, allowed)
	defer clear(plain)
	if !ok {
		return edit{from, to, ""}, false
	}
	inside := *k
	inside.decoded = true
	out, exact := inside.cutCoded(string(plain))
	if out == "" || out == ":" { // of Authorization: Basic
		return edit{how.from, how.to, ""}, exact
	}
	return edit{how.from, how.to, how.encode(out)}, exact
}

// cutCoded cuts the copies out of a text that was in base64.
func (k *Key) cutCoded(text string) (out string, exact bool) {
	if start := strings.TrimLeft(text, " \t\r\n"); start != "" && (start[0] == '{' || start[0] == '[') && json.Valid([]byte(text)) {
		return k.JSON(text)
	}
	return k.Text(text)
}
