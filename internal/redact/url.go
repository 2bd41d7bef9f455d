package redact

import "bytes"

// URL cleans a URL, a request URI, or a part of one. Everything after the first '?' is the
// query, whatever comes before it: net/http also reads "/x#?apiKey=…" as a path and a query.
// User name and password become REDACTED. It returns s itself if there is nothing to clean.
func (n *Names) URL(s string) string {
	c := n.Cleaner(false)
	defer c.Free()
	return c.URL(s)
}

// Query cleans a query or form without the '?'. A credential's value becomes REDACTED, and
// so does the whole query if it cannot be decided whether there is a credential in it. All
// other bytes stay as they are.
func (n *Names) Query(raw string) string {
	c := n.Cleaner(false)
	defer c.Free()
	return c.Query(raw)
}

// URL is Names.URL.
func (c *Cleaner) URL(s string) string {
	c.prose = false
	return c.clean(s, func(c *Cleaner) { c.url(0, len(c.text)) })
}

// Query is Names.Query.
func (c *Cleaner) Query(raw string) string {
	c.prose = false
	return c.clean(raw, func(c *Cleaner) { c.query(0, len(c.text)) })
}

func (c *Cleaner) url(from, to int) {
	i := bytes.IndexByte(c.text[from:to], '?')
	switch {
	case i < 0 && c.prose && bytes.IndexByte(c.text[from:c.until(from, to, "/")], '=') > 0:
		c.query(from, to)
		return
	case i < 0:
		c.path(from, to)
		return
	}
	c.path(from, from+i)
	c.query(from+i+1, to)
}

// path looks for parameters of path segments and in a fragment. A value may have '/' in it,
// so it goes on to the end.
func (c *Cleaner) path(from, to int) {
	if c.until(from, to, `=:%+\`) == to {
		return
	}
	for from <= to {
		end := c.until(from, to, "/;#&")
		switch c.judge(c.text[from:end]) {
		case clean:
		case secret:
			c.cut(c.value(from, end), to)
			return
		case undecidable:
			c.cut(from, to)
			return
		}
		from = end + 1
	}
}

func (c *Cleaner) query(from, to int) {
	for start := from; start <= to; {
		end := c.until(start, to, "&")
		if !c.parameter(start, end) {
			c.cut(from, to)
			return
		}
		start = end + 1
	}
}

// parameter looks at what stands between two '&'. A ';' in it is a separator for some, and
// part of the value for others: what follows a credential stays only if it has a name too.
func (c *Cleaner) parameter(from, to int) (decidable bool) {
	for from <= to {
		end := c.until(from, to, ";")
		switch c.judge(c.text[from:end]) {
		case clean:
		case secret:
			end = c.parameterEnd(end, to)
			c.cut(c.value(from, end), end)
		case undecidable:
			return false
		}
		from = end + 1
	}
	return true
}

// parameterEnd returns where the value ends that goes on at least to end.
func (c *Cleaner) parameterEnd(end, to int) int {
	for end < to && !isNamed(c.text[end+1:to]) {
		end = c.until(end+1, to, ";")
	}
	return end
}

// isNamed reports whether text begins with a name, an '=' and a value.
func isNamed(text []byte) bool {
	i := 0
	for i < len(text) && (isWord(text[i]) || text[i] == '.') {
		i++
	}
	return i > 0 && i+1 < len(text) && text[i] == '=' && text[i+1] != '=' && text[i+1] != ';'
}

// value returns where the value begins in a parameter with a secret: after the '=', unless
// the secret is, or may be, in what stands before it.
func (c *Cleaner) value(from, to int) int {
	i := bytes.IndexByte(c.text[from:to], '=')
	if i < 0 || c.judge(c.text[from:from+i]) != clean {
		return from
	}
	return from + i + 1
}

// until returns where the first of separators stands in text[from:to], or to.
func (c *Cleaner) until(from, to int, separators string) int {
	if i := bytes.IndexAny(c.text[from:to], separators); i >= 0 {
		return from + i
	}
	return to
}
