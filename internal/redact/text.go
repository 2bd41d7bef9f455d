package redact

import (
	"encoding/base64"
	"strings"
)

// Text returns s with every key in it replaced by Redacted. It looks for
//
//   - parameters with a credential name, in URLs, queries and forms, wherever
//     they stand in s and however their names are encoded;
//   - JSON members and header lines with a credential name;
//   - Bearer and Basic credentials;
//   - keys of the product's own form, iak_…;
//   - user information in URLs.
//
// Everything else stays as it is, and s itself is returned, without an
// allocation, if there is nothing to redact.
func (n *Names) Text(s string) string {
	r := redactor{names: n.set.Load(), s: s}
	for i := 0; i < len(s); {
		switch s[i] {
		case '=':
			i = r.parameter(i, i+1)
		case ':':
			i = r.colon(i)
		case '%':
			i = r.escaped(i)
		case 'b', 'B':
			i = r.scheme(i)
		case 'i':
			i = r.ownKey(i)
		default:
			i++
		}
	}
	return r.result()
}

// redactor goes through s once. Its methods take the index of what they look at
// and return where to go on.
type redactor struct {
	names *nameSet
	s     string
	out   []byte
	done  int // up to here s is in out
}

func (r *redactor) result() string {
	if r.done == 0 {
		return r.s
	}
	return string(append(r.out, r.s[r.done:]...))
}

// redact replaces s[from:to] and returns to.
func (r *redactor) redact(from, to int) int {
	if from == to || from < r.done {
		return max(to, r.done)
	}
	r.out = append(append(r.out, r.s[r.done:from]...), Redacted...)
	r.done = to
	return to
}

// separators end a name to the left. The equals sign and the colon are among
// them: what comes last before the sign is the name.
const separators = "?&;=: \t\r\n\"'\\<>(){},|#/"

// longestName is how far to the left a name may reach, so that the time for a
// text is linear in its length. A name encoded three times is 27 times as long.
const longestName = 2048

// before returns what stands to the left of i.
func (r *redactor) before(i int) string { return r.s[max(r.done, i-longestName):i] }

// nameBefore returns the name that ends at i.
func (r *redactor) nameBefore(i int) string {
	left := r.before(i)
	return left[strings.LastIndexAny(left, separators)+1:]
}

// parameter looks at an equals sign at i, and the value from start on.
func (r *redactor) parameter(i, start int) int {
	name := r.nameBefore(i)
	if !r.names.has(name) && !r.unclear(name) {
		return start
	}
	return r.redact(start, start+parameterEnd(r.s[start:]))
}

// unclear reports whether a name has a bad escape and a credential's name in it.
func (r *redactor) unclear(name string) bool {
	if !strings.Contains(name, "%") {
		return false
	}
	for i := range len(name) {
		if name[i] == '%' && (i+2 >= len(name) || !isHex(name[i+1]) || !isHex(name[i+2])) {
			return r.names.mentioned(name)
		}
	}
	return false
}

func parameterEnd(s string) int {
	if i := strings.IndexAny(s, "&; \t\r\n\"'<>\\"); i >= 0 {
		return i
	}
	return len(s)
}

// escaped looks for an encoded equals sign at i, as in a URL that is the value of
// a parameter: the whole value goes.
func (r *redactor) escaped(i int) int {
	n := encodedEquals(r.s[i:])
	if n == 0 {
		return i + 1
	}
	return r.escapedParameter(i, i+n)
}

// encodedEquals returns the length of "%3D", "%253D" and so on at the start of s.
func encodedEquals(s string) int {
	n := 1
	for strings.HasPrefix(s[n:], "25") {
		n += 2
	}
	if len(s) >= n+2 && s[n] == '3' && s[n+1]|0x20 == 'd' {
		return n + 2
	}
	return 0
}

func (r *redactor) escapedParameter(sign, start int) int {
	name := r.nameBefore(sign)
	for range 3 {
		name, _ = unescape(name)
	}
	name = name[strings.LastIndexAny(name, separators)+1:]
	if !r.names.has(name) {
		return start
	}
	return r.redact(start, start+parameterEnd(r.s[start:]))
}

// colon looks at a colon at i: user information in a URL, a header line, or a
// member of a JSON object, whose quotes may be escaped.
func (r *redactor) colon(i int) int {
	if strings.HasPrefix(r.s[i+1:], "//") {
		return r.userinfo(i + 3)
	}
	name := strings.TrimRight(r.before(i), " ")
	bare := strings.TrimRight(name, `\"`)
	header := bare[strings.LastIndexAny(bare, separators+"[")+1:]
	if _, ok := r.names.headers[normalize(header)]; ok {
		return r.headerValue(i + 1)
	}
	quoted := len(bare) < len(name)
	if quoted && r.names.has(unescapeJSON(bare[strings.LastIndexByte(bare, '"')+1:])) {
		return r.jsonValue(i + 1)
	}
	return i + 1
}

// userinfo redacts what stands before an @ in an authority that starts at i.
func (r *redactor) userinfo(i int) int {
	end := i + len(r.s[i:])
	if n := strings.IndexAny(r.s[i:], "/?# \t\r\n\"'<>\\"); n >= 0 {
		end = i + n
	}
	if at := strings.LastIndexByte(r.s[i:end], '@'); at >= 0 {
		return r.redact(i, i+at)
	}
	return i
}

// headerValue redacts up to the end of the line, or of the list that Go prints
// for a header.
func (r *redactor) headerValue(i int) int {
	start := i + len(r.s[i:]) - len(strings.TrimLeft(r.s[i:], ` [\"`))
	if n := strings.IndexAny(r.s[start:], "\r\n\"\\]"); n >= 0 {
		return r.redact(start, start+n)
	}
	return r.redact(start, len(r.s))
}

// jsonValue redacts the value of a member that follows a colon before i: a
// string, or whatever stands up to the next delimiter.
func (r *redactor) jsonValue(i int) int {
	rest := strings.TrimLeft(r.s[i:], " \t\r\n[{")
	start := len(r.s) - len(rest)
	quote := rest[:len(rest)-len(strings.TrimLeft(rest, `\`))]
	if !strings.HasPrefix(rest[len(quote):], `"`) {
		if n := strings.IndexAny(rest, ",]} \t\r\n\""); n >= 0 {
			return r.redact(start, start+n)
		}
		return r.redact(start, len(r.s))
	}
	quote += `"`
	start += len(quote)
	return r.redact(start, start+stringEnd(r.s[start:], quote))
}

// stringEnd returns where quote ends a string, a quote that is escaped once more
// than it being part of the string.
func stringEnd(s, quote string) int {
	for i := 0; i < len(s); i++ {
		slashes := 0
		for i+slashes < len(s) && s[i+slashes] == '\\' {
			slashes++
		}
		if i+slashes == len(s) {
			break
		}
		if s[i+slashes] == '"' && slashes == len(quote)-1 {
			return i
		}
		i += slashes
	}
	return len(s)
}

// unescapeJSON undoes \u escapes of ASCII characters in a name.
func unescapeJSON(name string) string {
	for {
		i := strings.Index(name, `\u00`)
		if i < 0 || i+6 > len(name) || !isHex(name[i+4]) || !isHex(name[i+5]) {
			return name
		}
		c := unhex(name[i+4])<<4 | unhex(name[i+5])
		name = strings.TrimRight(name[:i], `\`) + string(rune(c)) + name[i+6:]
	}
}

// scheme looks for "Bearer" and "Basic" credentials.
func (r *redactor) scheme(i int) int {
	rest := r.s[i:]
	if len(rest) > 7 && strings.EqualFold(rest[:7], "bearer ") {
		start := i + len(rest) - len(strings.TrimLeft(rest[7:], " "))
		return r.redact(start, start+tokenEnd(r.s[start:]))
	}
	if len(rest) > 6 && strings.EqualFold(rest[:6], "basic ") {
		start := i + 6
		end := start + tokenEnd(r.s[start:])
		if isUserPassword(r.s[start:end]) {
			return r.redact(start, end)
		}
	}
	return i + 1
}

func isUserPassword(token string) bool {
	b, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(token, "="))
	return err == nil && strings.Contains(string(b), ":")
}

func tokenEnd(s string) int {
	if i := strings.IndexAny(s, " \t\r\n\"'\\,;]}<>"); i >= 0 {
		return i
	}
	return len(s)
}

// ownKey looks for a key of the product's own form.
func (r *redactor) ownKey(i int) int {
	const shortest = len("iak_live_") + 8
	if !strings.HasPrefix(r.s[i:], "iak_") {
		return i + 1
	}
	end := i
	for end < len(r.s) && isKeyByte(r.s[end]) {
		end++
	}
	if end-i < shortest {
		return i + 1
	}
	return r.redact(i, end)
}

func isKeyByte(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}
