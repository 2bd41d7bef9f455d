package caddymodule

import (
	"net/http"

	"github.com/ingestauth/caddy-ingest-auth/internal/assertion"
)

// boundClaims are the claims that bind an assertion to the request as the
// backend sees it.
func (g *Gate) boundClaims(r *http.Request, p *passage) *assertion.Claims {
	c := &assertion.Claims{
		Method:      r.Method,
		Path:        r.URL.EscapedPath(),
		QueryDigest: assertion.Digest([]byte(r.URL.RawQuery)),
	}
	if g.Bind == "body" {
		var content []byte
		if p.body != nil {
			content = p.body.Bytes()
		}
		c.BodyDigest = assertion.Digest(content)
	}
	return c
}
