package caddymodule

import (
	"bytes"
	"mime"
	"net/http"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// bodyKind is how a body is looked at.
type bodyKind uint8

const (
	kindOpaque bodyKind = iota // not looked at
	kindJSON                   // must be one JSON text
	kindLines                  // must be NDJSON
	kindForm                   // application/x-www-form-urlencoded
	kindAny                    // JSON if it starts like it
)

// bodyKind tells from the Content-Type how the body is looked at. Legacy
// backends often do not care for the type: text, forms, bytes, what has no type
// at all (navigator.sendBeacon) or one that is none, and everything with "json" in
// its name count as JSON if they start like it.
func (g *Gate) bodyKind(h http.Header) (bodyKind, *refusal) {
	if !g.looksAtJSON && !g.finder.LooksAtForm() {
		return kindOpaque, nil
	}
	values := h["Content-Type"]
	if len(values) > 1 {
		return 0, &refusal{status: http.StatusBadRequest, code: "malformed_body", message: "More than one Content-Type"}
	}
	if len(values) == 0 || values[0] == "" {
		return kindAny, nil
	}
	kind, params := mediaKind(values[0])
	if kind == kindOpaque || params == "" {
		return kind, nil
	}
	if !isUTF8(params) {
		return 0, &refusal{status: http.StatusUnsupportedMediaType, code: "unsupported_charset", message: "Unsupported charset; use UTF-8"}
	}
	return kind, nil
}

// mediaKind classifies a media type (RFC 9110, section 8.3.1).
func mediaKind(contentType string) (kind bodyKind, params string) {
	t, params, _ := strings.Cut(contentType, ";")
	t = strings.TrimSpace(t)
	is := func(other string) bool { return strings.EqualFold(t, other) }
	switch {
	case is("application/json"), hasSuffixFold(t, "+json") && !isGRPCType(t):
		kind = kindJSON
	case is("application/x-ndjson"), is("application/ndjson"), is("application/jsonl"), is("application/x-jsonlines"):
		kind = kindLines
	case is("application/x-www-form-urlencoded"):
		kind = kindForm
	case len(t) > 5 && strings.EqualFold(t[:5], "text/"), is("application/octet-stream"), !isMediaType(t),
		strings.Contains(strings.ToLower(t), "json"):
		kind = kindAny
	}
	return kind, params
}

// isMediaType reports whether t is a type and a subtype.
func isMediaType(t string) bool {
	main, sub, ok := strings.Cut(t, "/")
	return ok && httpguts.ValidHeaderFieldName(main) && httpguts.ValidHeaderFieldName(sub) && !strings.Contains(t, "*")
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) > len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}

// isUTF8 reports whether the parameters of a media type leave the charset open,
// or name UTF-8 or its subset US-ASCII.
func isUTF8(params string) bool {
	_, parsed, err := mime.ParseMediaType("text/plain;" + params)
	if err != nil {
		return !strings.Contains(strings.ToLower(params), "charset")
	}
	switch strings.ToLower(parsed["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

// startsLikeJSON reports whether the first byte that is not white space opens an
// object or an array.
func startsLikeJSON(b []byte) bool {
	b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	b = bytes.TrimLeft(b, " \t\r\n")
	return len(b) > 0 && (b[0] == '{' || b[0] == '[')
}
