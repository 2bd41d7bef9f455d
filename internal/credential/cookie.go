package credential

import "github.com/ingestauth/caddy-ingest-auth/config"

// cookieSyntax is that of the Cookie header (RFC 6265, section 4.2). Values are
// percent-decoded, as the usual libraries of clients encode and those of backends decode
// them.
var cookieSyntax = &syntax{separators: ";", escapes: true}

// cookies are the cookies that a location names.
func cookies(l config.Location) []Part {
	parts := make([]Part, len(l.Names))
	for i, name := range l.Names {
		parts[i] = Part{Header: "Cookie", Name: name, location: "cookie " + name, syntax: cookieSyntax}
	}
	return parts
}
