package caddymodule

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// checkHeadersArrive refuses a credential in a header that never reaches the gate: Caddy
// drops headers with '_' or '.' in their names before any handler runs, unless the server
// lists them.
func (g *Gate) checkHeadersArrive(ctx caddy.Context) error {
	srv, ok := ctx.Value(caddyhttp.ServerCtxKey).(*caddyhttp.Server)
	if !ok {
		return nil
	}
	for _, l := range g.Credentials {
		if l.Place() != config.PlaceHeader {
			continue
		}
		for _, name := range l.Names {
			if option := missingFrom(srv, name); option != "" {
				// No colon after the name: the log encoder would take the rest for a key.
				return fmt.Errorf("credential header %s never reaches the gate, because Caddy drops it; write `%s %s` into the block `servers` of the global options%s", name, option, strings.ToLower(name), orParam(l, name))
			}
		}
	}
	return nil
}

// orParam is what else to write if a name may be that of a parameter in the header before it.
func orParam(l config.Location, name string) string {
	i := slices.Index(l.Names, name)
	if i == 0 || l.Param != "" {
		return ""
	}
	return fmt.Sprintf(", or, if it is a parameter in the value of the other header, `credential header %s param %s`", l.Names[i-1], name)
}

// missingFrom returns the option of servers that must list a header, so that srv does not
// drop it; "" if it need not be listed. A name with both characters must be in one of the
// lists as it is.
func missingFrom(srv *caddyhttp.Server, name string) string {
	const underscores, dots = "expected_underscore_headers", "expected_dot_headers"
	underscore, dot := strings.Contains(name, "_"), strings.Contains(name, ".")
	switch {
	case underscore && dot:
		if lists(srv.ExpectedUnderscoreHeaders, name, false) || lists(srv.ExpectedDotHeaders, name, false) {
			return ""
		}
		return underscores
	case underscore && !lists(srv.ExpectedUnderscoreHeaders, name, true):
		return underscores
	case dot && !lists(srv.ExpectedDotHeaders, name, true):
		return dots
	}
	return ""
}

// lists reports whether a list of the server has a header, or a prefix of it followed by
// "*".
func lists(entries []string, name string, prefixes bool) bool {
	for _, entry := range entries {
		prefix, ok := strings.CutSuffix(entry, "*")
		if !ok && strings.EqualFold(entry, name) || ok && prefixes && strings.HasPrefix(http.CanonicalHeaderKey(name), http.CanonicalHeaderKey(prefix)) {
			return true
		}
	}
	return false
}
