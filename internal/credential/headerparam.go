package credential

import "github.com/ingestauth/caddy-ingest-auth/config"

// paramSyntax is that of parameters in the value of a header, as in
// `Sentry sentry_version=7, sentry_key=…` or `text/plain; key="…"`.
var paramSyntax = &syntax{separators: ",;", scheme: true}

// headerParams are the parameters that a location names, one for each header.
func headerParams(l config.Location) []Part {
	parts := make([]Part, len(l.Names))
	for i, name := range l.Names {
		parts[i] = Part{Header: name, Name: l.Param, location: "header " + name + " param " + l.Param, syntax: paramSyntax}
	}
	return parts
}
