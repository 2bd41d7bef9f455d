// Package cors answers for CORS (Fetch standard, section 3.2) in place of a backend.
package cors

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// preflightMaxAge is for how long, in seconds, a browser may remember a
// preflight: two hours, beyond which Chromium does not go.
const preflightMaxAge = "7200"

// exposedHeaders returns the gate's headers that a page may read in addition to those it
// may always read.
func exposedHeaders(style limit.Style) string {
	const usual = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"
	switch style {
	case limit.IETF:
		return usual + ", RateLimit, RateLimit-Policy"
	case limit.Off:
		return "Retry-After"
	default:
		return usual
	}
}

// Answer is what an answer says about the page that asked.
type Answer struct {
	Active  bool // the gate answers for CORS
	any     bool // every origin may read the answer
	style   limit.Style
	allowed string // the origin that may read the answer, "" if the page's origin may not
}

// For returns the CORS part of the answer to a request with these headers. Pages of these
// origins may read answers, with limit headers of that style.
func For(origins []config.Origin, style limit.Style, h http.Header) Answer {
	if len(origins) == 0 {
		return Answer{}
	}
	c := Answer{Active: true, any: origins[0] == "*", style: style}
	origin := h.Get("Origin")
	for _, o := range origins {
		if !c.any && origin != "" && o.Matches(origin) {
			c.allowed = origin
		}
	}
	if c.any && origin != "" {
		c.allowed = "*"
	}
	return c
}

// SetHeaders sets the CORS headers of an answer, in place of the backend's.
func (c *Answer) SetHeaders(h http.Header) {
	delete(h, "Access-Control-Allow-Origin")
	delete(h, "Access-Control-Allow-Credentials")
	if !c.any {
		addVary(h, "Origin")
	}
	if c.allowed == "" {
		return
	}
	h.Set("Access-Control-Allow-Origin", c.allowed)
	if !c.any {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	exposed := exposedHeaders(c.style)
	if !slices.Contains(h["Access-Control-Expose-Headers"], exposed) {
		h.Add("Access-Control-Expose-Headers", exposed)
	}
}

// Preflight answers a preflight. It allows everything that a page asks for, because the
// key in the request itself decides.
func (c *Answer) Preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	c.SetHeaders(h)
	delete(h, "Access-Control-Expose-Headers")
	addVary(h, "Access-Control-Request-Method")
	addVary(h, "Access-Control-Request-Headers")
	if c.allowed != "" {
		h.Set("Access-Control-Allow-Methods", r.Header.Get("Access-Control-Request-Method"))
		if names := r.Header.Values("Access-Control-Request-Headers"); len(names) > 0 {
			h.Set("Access-Control-Allow-Headers", strings.Join(names, ", "))
		}
		h.Set("Access-Control-Max-Age", preflightMaxAge)
	}
	w.WriteHeader(http.StatusNoContent)
}

// addVary says that the answer depends on a header of the request (RFC 9110,
// section 12.5.5).
func addVary(h http.Header, name string) {
	named := func(value string) bool {
		for have := range strings.SplitSeq(value, ",") {
			if have = strings.TrimSpace(have); have == "*" || strings.EqualFold(have, name) {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(h["Vary"], named) {
		h.Add("Vary", name)
	}
}
