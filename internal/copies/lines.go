package copies

import (
	"encoding/json"
	"strings"
)

// IsJSON tells whether a body is one JSON object or array, whatever its type says.
func IsJSON(body []byte) bool {
	start := strings.TrimLeft(view(body), " \t\r\n")
	return start != "" && (start[0] == '{' || start[0] == '[') && json.Valid(body)
}

// OpensLines tells whether a body is lines of which the first is a JSON object. The others may
// be anything: in an envelope of Sentry, JSON, text and files.
func OpensLines(body []byte) bool {
	first, _, ok := strings.Cut(view(body), "\n")
	return ok && isObject(first)
}

// Lines cuts the copies out of lines: as JSON out of a line that is a JSON object, otherwise as
// text. A copy in a line that is neither makes the result not exact.
func (k *Key) Lines(text string) (out string, exact bool) {
	var b strings.Builder
	exact = true
	for line := range strings.Lines(text) {
		ok := true
		switch {
		case !k.In(line):
		case isObject(line):
			line, ok = k.JSON(line)
		case IsText([]byte(line)):
			line, ok = k.Text(line)
		default:
			line, ok = "", false
		}
		b.WriteString(line)
		exact = exact && ok
	}
	if out = b.String(); !k.short && k.In(out) { // over the end of a line
		return "", false
	}
	return out, exact
}

func isObject(line string) bool {
	start := strings.TrimLeft(line, " \t")
	return strings.HasPrefix(start, "{") && json.Valid([]byte(line))
}
