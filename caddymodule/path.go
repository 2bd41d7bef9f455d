package caddymodule

import (
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// pathResource is a resource that stands in the path.
type pathResource struct {
	name    string
	pattern config.Pattern
}

// plainPath returns the decoded path of u, and false if a backend could read it
// in another way than the gate does. Proxies and backends differ in whether they
// decode %2F, undo %2e%2e, merge slashes, take '\' for a slash, cut path
// parameters off at ';' or decode twice, and Windows drops dots and spaces at the end
// of a name, so none of these may be in a path whose segments decide what a key is
// good for.
func plainPath(u *url.URL) (string, bool) {
	path := u.Path
	if path == "" || path[0] != '/' || !utf8.ValidString(path) {
		return "", false
	}
	if escaped := u.EscapedPath(); len(escaped) != len(path) && hidesSlash(escaped) {
		return "", false
	}
	for i := range len(path) {
		switch c := path[i]; {
		case c < ' ', c == 0x7f, c == '\\', c == ';', c == '%', c == '?', c == '#':
			return "", false
		case c == '/' && oddSegment(path[i+1:]):
			return "", false
		}
	}
	return path, true
}

// hidesSlash reports whether an escaped path has an encoded slash.
func hidesSlash(escaped string) bool {
	return strings.Contains(escaped, "%2F") || strings.Contains(escaped, "%2f")
}

// oddSegment reports whether rest, what follows a slash, starts with an empty
// segment, or with one that Windows takes for another: a dot segment is one, too.
// A slash at the very end is no empty segment.
func oddSegment(rest string) bool {
	seg, _, more := strings.Cut(rest, "/")
	if seg == "" {
		return more
	}
	last := seg[len(seg)-1]
	return last == '.' || last == ' '
}
