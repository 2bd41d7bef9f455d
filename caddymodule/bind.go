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
	if content, known := g.forwardedBody(p); known && g.Bind == "body" {
		c.BodyDigest = assertion.Digest(content)
	}
	return c
}

// forwardedBody returns the body as the backend sees it; known is false if the
// gate only reports and has not read it to its end.
func (g *Gate) forwardedBody(p *passage) (content []byte, known bool) {
	if p.recording != nil && (g.Strip == "off" || p.replay == nil) {
		return p.recording.Bytes()
	}
	if p.body == nil {
		return nil, p.recording == nil
	}
	return p.body.Bytes(), true
}
