package redact

import "bytes"

// Text cleans any text that goes into a log: URLs and queries in it, names of credentials
// with '=' or ':' and a value after them, as in forms, header fields, JSON and Go's
// fmt.Print, credentials after "Bearer" and "Basic", and keys that are known by their value
// or form wherever they stand. It returns s itself if there is nothing to clean.
//
// A value ends where the syntax around it says. Without quotes, a value after '=' ends at the
// next space or '&', and a value after ':' ends with the line. One kind of text is left
// alone, because errors look like that: the name in small letters, or a host name or
// the name of a module, a colon, and more than one word, as in "renewing token: permission denied".
func (n *Names) Text(s string) string {
	c := n.Cleaner(false)
	defer c.Free()
	return c.Text(s)
}

// Text is Names.Text.
func (c *Cleaner) Text(s string) string {
	c.prose = true
	return c.clean(s, func(c *Cleaner) {
		c.pairs()
		c.words()
	})
}

// pairs cuts the values of names that are written as they are.
func (c *Cleaner) pairs() {
	for from := 0; ; {
		p, ok := c.set.findPair(c.text, from)
		if !ok {
			return
		}
		from = p.sep + 1
		start := c.valueStart(p)
		if start < len(c.text) && !c.isError(p, start) {
			start, end := c.valueFrom(p, start)
			c.cut(start, end)
			from = max(from, end) // otherwise many names in one line take quadratic time
		}
	}
}

// words looks for names that are encoded, or that have long text between them and the '='.
func (c *Cleaner) words() {
	if !bytes.ContainsAny(c.text, `%+\[`) {
		return
	}
	for from := 0; from < len(c.text); {
		end := c.wordEnd(from)
		if end > from {
			c.url(from, end)
		}
		from = end + 1
	}
}

func (c *Cleaner) wordEnd(from int) int {
	for i := from; i < len(c.text); i++ {
		if b := c.text[i]; b <= ' ' || b == 0x7f || c.isQuote(i) {
			return i
		}
	}
	return len(c.text)
}

// isQuote reports whether a '"' begins or ends a quotation. Inside a word it does neither.
func (c *Cleaner) isQuote(i int) bool {
	if c.text[i] != '"' {
		return false
	}
	return i == 0 || i+1 == len(c.text) ||
		bytes.IndexByte([]byte(" \t\r\n([{:,\\"), c.text[i-1]) >= 0 ||
		bytes.IndexByte([]byte(" \t\r\n)]}:,;\\"), c.text[i+1]) >= 0
}

// valueStart skips what may be between a name and its value.
func (c *Cleaner) valueStart(p pair) int {
	start := p.sep + 1
	for start < len(c.text) && bytes.IndexByte([]byte(" \t=:>"), c.text[start]) >= 0 {
		start++
	}
	return start
}

// valueFrom returns where the value of p stands that begins at from, or with a quotation
// mark there.
func (c *Cleaner) valueFrom(p pair, from int) (start, end int) {
	escapes := from
	for escapes < len(c.text) && c.text[escapes] == '\\' {
		escapes++
	}
	switch {
	case escapes < len(c.text) && isQuotationMark(c.text[escapes]):
		return escapes + 1, c.quotationEnd(escapes+1, c.text[escapes], escapes-from)
	case c.text[from] == '{':
		return from, c.nestedEnd(from)
	case c.text[from] == '[':
		return c.inside(from, c.nestedEnd(from))
	case c.text[p.sep] == '=':
		return from, c.formValueEnd(from)
	case c.text[p.sep-1] == '"': // a number or a literal in JSON
		return from, c.endOf(from, " \t\r\n,}]")
	}
	return from, c.endOf(from, "\r\n")
}

// formValueEnd is parameterEnd for a text.
func (c *Cleaner) formValueEnd(from int) int {
	for {
		end := c.endOf(from, " \t\r\n&;")
		if end == len(c.text) || c.text[end] != ';' || isNamed(c.text[end+1:]) {
			return end
		}
		from = end + 1
	}
}

func isQuotationMark(b byte) bool { return b == '"' || b == '\'' || b == '`' }

// quotationEnd returns where a quotation ends that began with mark after so many escapes.
func (c *Cleaner) quotationEnd(from int, mark byte, escapes int) int {
	n := 0
	for i := from; i < len(c.text); i++ {
		switch {
		case c.text[i] == '\\':
			n++
			continue
		case c.text[i] == mark && n <= escapes && (i+1 == len(c.text) || !isWord(c.text[i+1])):
			return i - n
		}
		n = 0
	}
	return len(c.text)
}

// inside returns text[from:to] without brackets and quotes at both ends.
func (c *Cleaner) inside(from, to int) (start, end int) {
	const marks = `[]"\`
	for from < to && bytes.IndexByte([]byte(marks), c.text[from]) >= 0 {
		from++
	}
	for from < to && bytes.IndexByte([]byte(marks), c.text[to-1]) >= 0 {
		to--
	}
	return from, to
}

// nestedEnd returns where an array or object ends, or the end of the text.
func (c *Cleaner) nestedEnd(from int) int {
	depth, quoted := 0, false
	for i := from; i < len(c.text); i++ {
		switch b := c.text[i]; {
		case b == '"' && c.text[i-1] != '\\':
			quoted = !quoted
		case quoted:
		case b == '[' || b == '{':
			depth++
		case b == ']' || b == '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(c.text)
}

// endOf returns where the first of stops or the end of a quotation stands.
func (c *Cleaner) endOf(from int, stops string) int {
	for from < len(c.text) {
		i := c.until(from, len(c.text), stops+`"`)
		if i == len(c.text) || c.text[i] != '"' {
			return i
		}
		if c.isQuote(i) {
			for i > from && c.text[i-1] == '\\' {
				i--
			}
			return i
		}
		from = i + 1
	}
	return from
}

// isError reports whether p is the end of an error message and start the beginning of its
// cause.
func (c *Cleaner) isError(p pair, start int) bool {
	if c.text[p.sep] != ':' || c.text[p.sep+1] != ' ' {
		return false
	}
	for _, b := range c.text[p.name:p.sep] {
		if (b < 'a' || b > 'z') && bytes.IndexByte([]byte(" ._'"), b) < 0 {
			return false
		}
	}
	rest := c.text[start:]
	word, _, ok := bytes.Cut(rest[:min(len(rest), longestWord+1)], []byte(" "))
	return ok && isPlainWord(word)
}

// longestWord is how many letters the first word of a cause has, at most.
const longestWord = 15

// isPlainWord takes letters, only the first of which may be a capital.
func isPlainWord(word []byte) bool {
	for i, b := range word {
		if (b < 'a' || b > 'z') && (i > 0 || b < 'A' || b > 'Z') {
			return false
		}
	}
	return true
}
