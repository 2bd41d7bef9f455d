// Package mediatype reads Content-Type as the most lenient backend would.
package mediatype

import (
	"mime"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Kind is how a body of a type is looked at.
type Kind uint8

// The kinds of bodies.
const (
	Opaque Kind = iota // not looked at
	JSON               // must be one JSON text
	Lines              // must be NDJSON, or a sequence of JSON texts
	Form               // JSON if it opens it, else application/x-www-form-urlencoded
	Any                // JSON if it opens it
	Frames             // JSON if it opens it and is no frame of gRPC
)

// Of classifies a Content-Type in lower case, as the most lenient backend
// would read it. Some take a comma or a space for the end of the type, some search
// all of it for a word. Many do not care for it at all: text, bytes, what has no
// type (navigator.sendBeacon) or one that is none, and what has "json" anywhere in
// its type count as JSON if they open it; so do forms, which is what curl -d sends.
// What has no type is a form to Rack. ok is false if one backend would take the body
// for JSON and another for something else.
func Of(contentType string) (kind Kind, params string, ok bool) {
	essence, params := cutEssence(contentType)
	form, lines := strings.Contains(contentType, "urlencoded"), isLines(essence)
	json := essence == "application/json" || strings.HasSuffix(essence, "+json") && !lines && !IsGRPC(essence)
	switch {
	case form && (json || lines), json && mentionsLines(params):
		return 0, params, false
	case lines:
		kind = Lines
	case json:
		kind = JSON
	case form, essence == "":
		kind = Form
	case strings.Contains(contentType, "json") && IsGRPC(essence):
		kind = Frames
	case strings.HasPrefix(essence, "text/"), essence == "application/octet-stream", !isMediaType(contentType), strings.Contains(contentType, "json"):
		kind = Any
	}
	return kind, params, true
}

// IsMultipart reports whether some backend takes a body of that Content-Type, in lower case,
// for a form in parts: those that search for the word, and those that look for parts in
// multipart/mixed, too. ok is false if not all do that look for forms.
func IsMultipart(contentType string) (is, ok bool) {
	essence, _ := cutEssence(contentType)
	ok = strings.HasPrefix(essence, "multipart/") && !strings.Contains(contentType, "urlencoded")
	return strings.Contains(contentType, "multipart/"), ok
}

// IsPlainText reports whether a Content-Type, in lower case, is what browsers send a string
// with (navigator.sendBeacon, fetch).
func IsPlainText(contentType string) bool {
	essence, _ := cutEssence(contentType)
	return essence == "text/plain"
}

// cutEssence cuts a Content-Type where the first backend ends the type.
func cutEssence(contentType string) (essence, params string) {
	contentType = strings.Trim(contentType, " \t")
	if i := strings.IndexAny(contentType, ";, \t"); i >= 0 {
		return contentType[:i], strings.TrimLeft(contentType[i:], ";, \t")
	}
	return contentType, ""
}

// lineTypes are the subtypes, without a prefix, of bodies of many JSON texts.
var lineTypes = []string{"ndjson", "ldjson", "jsonl", "jsonlines", "json-lines", "json-seq", "json-stream", "jsonstream"}

// isLines reports whether a type is that of a body of many JSON texts, such as
// application/x-ndjson, application/vnd.elasticsearch+x-ndjson, application/json-seq.
func isLines(essence string) bool {
	name := essence[strings.LastIndexAny(essence, "/+.")+1:]
	return slices.Contains(lineTypes, strings.TrimPrefix(name, "x-")) || essence == "application/stream+json"
}

// mentionsLines reports whether a backend that searches for such a type finds one.
func mentionsLines(params string) bool {
	return strings.Contains(params, "stream+json") ||
		slices.ContainsFunc(lineTypes, func(name string) bool { return strings.Contains(params, name) })
}

// isMediaType reports whether a Content-Type has a type and a subtype, and then
// nothing or parameters (RFC 9110, section 8.3.1).
func isMediaType(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	main, sub, ok := strings.Cut(strings.TrimSpace(t), "/")
	return ok && httpguts.ValidHeaderFieldName(main) && httpguts.ValidHeaderFieldName(sub) && !strings.Contains(t, "*")
}

// IsUTF8 reports whether the parameters of a media type leave the charset open,
// or name UTF-8 or its subset US-ASCII.
func IsUTF8(params string) bool {
	_, parsed, err := mime.ParseMediaType("text/plain;" + params)
	if err != nil {
		return !strings.Contains(params, "charset")
	}
	switch strings.ToLower(parsed["charset"]) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}

// IsGRPC reports whether a body of the type is made of gRPC's frames, whatever is
// in them.
func IsGRPC(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, "+")
	return strings.EqualFold(t, "application/grpc")
}
