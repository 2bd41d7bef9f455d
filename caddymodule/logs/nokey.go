package logs

import (
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap/zapcore"
)

// varLacksKey is the variable of a request in which no good key was found.
const varLacksKey = "ingest_auth.lacks_key"

// LacksKey has whatever could be a key redacted in what is logged of a request from now on:
// its key was good for nothing, or stood where nobody looks.
func LacksKey(r *http.Request) { caddyhttp.SetVar(r.Context(), varLacksKey, true) }

// lacksKey reports whether one of the fields is such a request.
func lacksKey(fields []zapcore.Field) bool {
	for i := range fields {
		if r, ok := fields[i].Interface.(caddyhttp.LoggableHTTPRequest); ok && caddyhttp.GetVar(r.Context(), varLacksKey) != nil {
			return true
		}
	}
	return false
}
