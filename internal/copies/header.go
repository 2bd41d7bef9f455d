package copies

import (
	"net/http"
	"slices"
	"strings"
)

// Headers cuts the copies out of the values of headers, in place. If nothing of a header
// stays, it is deleted. If the cut is not exact, the value is dropped.
func (k *Key) Headers(h http.Header) (found Places, exact bool) {
	exact = true
	for name, values := range h {
		kept := values[:0]
		for _, v := range values {
			out, ok := v, true
			if k.In(v) {
				out, ok = k.headerValue(name, v)
			}
			if out != v || !ok {
				found.Add(placeOf(name))
			}
			if exact = exact && ok; out == v || ok && out != "" {
				kept = append(kept, out)
			}
		}
		clear(values[len(kept):])
		if len(kept) == 0 && len(values) > 0 {
			delete(h, name)
		} else if len(kept) < len(values) {
			h[name] = kept
		}
	}
	return found, exact
}

// Trailers deletes trailer fields with a copy in them.
func (k *Key) Trailers(h http.Header) (found bool) {
	for name, values := range h {
		for _, v := range values {
			if out, ok := k.headerValue(name, v); out != v || !ok {
				delete(h, name)
				found = true
			}
		}
	}
	return found
}

func placeOf(name string) Place {
	if name == "Cookie" {
		return InCookie
	}
	return InHeader
}

// fixed are headers on which the gate and every proxy rely. A cut must not change their
// meaning.
var fixed = map[string]bool{
	"Connection": true, "Content-Encoding": true, "Content-Length": true, "Content-Type": true, "Expect": true,
	"Host": true, "Te": true, "Trailer": true, "Transfer-Encoding": true, "Upgrade": true,
}

// headerValue cuts the copies out of a value.
func (k *Key) headerValue(name, v string) (out string, exact bool) {
	separators := ",;&?"
	if name == "Cookie" {
		separators = ";"
	}
	out, exact = k.untilNone(v, func(v string) (string, bool) { return k.cutValue(v, separators) })
	if out == v {
		return v, exact
	}
	out = strings.Trim(out, " \t")
	if (name == "Authorization" || name == "Proxy-Authorization") && !strings.ContainsAny(out, " \t") {
		out = "" // a scheme without credentials
	}
	return out, exact && !fixed[name]
}

func (k *Key) cutValue(v, separators string) (out string, exact bool) {
	short := k.short
	k.short = false // whole values are recognized here
	edits, exact := k.edits(v, false)
	k.short = short
	kept := edits[:0]
	for _, e := range edits {
		whole := false
		if e.text == "" {
			var from, to int
			if from, to, whole = element(v, e.from, e.to, separators); whole {
				e.from, e.to = from, to
			}
		}
		if whole || !short {
			kept = append(kept, e)
		}
	}
	return apply(v, kept), exact
}

// element returns what to cut with the copy v[from:to] if that is the whole value of a header,
// an element of a list, or a parameter (name=KEY, also quoted, also in a URL): the copy, its
// name, and one separator.
func element(v string, from, to int, separators string) (start, end int, whole bool) {
	if from > 0 && to < len(v) && v[from-1] == '"' && v[to] == '"' {
		from, to = from-1, to+1
	}
	start = from
	if from > 0 && v[from-1] == '=' {
		for start = from - 1; start > 0 && isName(v[start-1]); start-- {
		}
	}
	named := start < from-1
	if !named {
		start = from
	}
	left := len(strings.TrimRight(v[:start], " \t"))
	right := len(v) - len(strings.TrimLeft(v[to:], " \t"))
	isSeparator := func(c byte) bool { return strings.IndexByte(separators, c) >= 0 }
	opens := left == 0 || isSeparator(v[left-1]) || named && left < start
	closes := right == len(v) || isSeparator(v[right]) || v[right] == '#' || named && right > to
	follows := right < len(v) && isSeparator(v[right]) && v[right] != '?'
	switch {
	case !opens || !closes:
		return from, to, false
	case left > 0 && isSeparator(v[left-1]) && v[left-1] != '?':
		return left - 1, to, true
	case follows:
		end = right + 1
		return start, len(v) - len(strings.TrimLeft(v[end:], " \t")), true
	case left > 0 && v[left-1] == '?':
		return left - 1, to, true
	}
	return start, to, true
}

// isName tells whether a byte may be in the name of a parameter.
func isName(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || strings.IndexByte("-_.%[]~+$!*'", c) >= 0
}

// InHeaders tells whether In finds something in the values of headers.
func (k *Key) InHeaders(h http.Header) bool {
	for _, values := range h {
		if slices.ContainsFunc(values, k.In) {
			return true
		}
	}
	return false
}
