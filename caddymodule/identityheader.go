package caddymodule

import (
	"net/http"
)

// identityHeader is the header that carries the assertion, in every spelling a
// backend might take for it.
type identityHeader struct {
	name   string // canonical
	folded string // lower case, '-' for '_' and '.'
}

func newIdentityHeader(name string) *identityHeader {
	canonical := http.CanonicalHeaderKey(name)
	folded := make([]byte, len(canonical))
	for i := range len(canonical) {
		folded[i] = foldHeaderByte(canonical[i])
	}
	return &identityHeader{name: canonical, folded: string(folded)}
}

// matches reports whether a backend could take name for the identity header: CGI
// and its descendants turn '-' into '_', and PHP also '.', so that all three are
// the same to them.
func (h *identityHeader) matches(name string) bool {
	if len(name) != len(h.folded) {
		return false
	}
	for i := range len(name) {
		if foldHeaderByte(name[i]) != h.folded[i] {
			return false
		}
	}
	return true
}

func foldHeaderByte(c byte) byte {
	switch {
	case c >= 'A' && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_' || c == '.':
		return '-'
	}
	return c
}

// drop deletes what the client sent in the header's name, and keeps the client
// from having the header deleted further on: a proxy removes every header that
// is named in Connection (RFC 9110, section 7.6.1).
func (h *identityHeader) drop(header http.Header) {
	for name := range header {
		if h.matches(name) {
			delete(header, name)
		}
	}
	if values := header["Connection"]; values != nil {
		header["Connection"] = withoutTokens(values, h.matches)
	}
}
