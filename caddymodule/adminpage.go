package caddymodule

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"net/http"
	"strconv"
)

//go:embed page/index.html
var page []byte

// pagePolicy lets the page run only its own code, and connect only to the endpoint that
// it came from (CSP level 3).
var pagePolicy = "default-src 'none'; script-src " + inlineHash("script") + "; style-src " + inlineHash("style") +
	"; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// inlineHash returns the CSP source for the content of the page's only element with that
// name.
func inlineHash(element string) string {
	_, rest, _ := bytes.Cut(page, []byte("<"+element+">"))
	text, _, _ := bytes.Cut(rest, []byte("</"+element+">"))
	sum := sha256.Sum256(text)
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// adminPage answers with the page. Without an Origin Caddy checks the Referer, so the
// page's own requests must have one.
func adminPage(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Path != "/ingest_auth/" {
		return apiError(http.StatusNotFound, "this route does not exist")
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(page)))
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(page) // the client is gone if this fails
	return nil
}
