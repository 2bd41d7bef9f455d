package multipart

import (
	"strings"
)

// maxBoundary is how long a boundary may be (RFC 2046, section 5.1.1).
const maxBoundary = 70

// Form is a body as its Content-Type describes it.
type Form struct {
	delimiter []byte // two hyphens and the boundary
}

// New reads the boundary from a Content-Type, which the caller knows to be multipart.
// Readers search for it in the text or in the parameters, in quotes or not, and end it at
// different characters. So the word boundary must be there only once, as the name of a
// parameter.
func New(contentType string) (*Form, error) {
	_, params, _ := strings.Cut(contentType, ";")
	if strings.Count(strings.ToLower(contentType), "boundary") != 1 {
		return nil, errBoundary
	}
	for param := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimLeft(param, " \t"), "=")
		if !strings.EqualFold(name, "boundary") {
			continue
		}
		if unquoted, ok := strings.CutPrefix(value, `"`); ok {
			if value, ok = strings.CutSuffix(unquoted, `"`); !ok {
				return nil, errBoundary
			}
		}
		if value == "" || len(value) > maxBoundary || strings.ContainsFunc(value, isNoBoundary) {
			return nil, errBoundary
		}
		return &Form{delimiter: []byte("--" + value)}, nil
	}
	return nil, errBoundary
}

// isNoBoundary reports whether some reader may end the boundary at r. RFC 2046 allows
// spaces, commas and parentheses, but for some readers they end it.
func isNoBoundary(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("'+_-./:=?", r)
}
