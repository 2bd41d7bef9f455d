// Package mediatype reads Content-Type as the most lenient backend would.
package mediatype

import (
	"mime"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// Kind says how to treat a body of a type.
type Kind uint8

// The kinds of bodies.
const (
	Opaque Kind = iota // not looked at
	JSON               // must be one JSON text
	Lines              // must be NDJSON, or a sequence of JSON texts
	Form               // JSON if it opens JSON, else application/x-www-form-urlencoded
	Any                // JSON if it opens JSON
	Frames             // JSON if it opens JSON and is not a frame of gRPC
)

// Of classifies a Content-Type in lower case, as the most lenient backend
// would read it. Some backends end the type at a comma or a space, some search the whole
// text for a word. Many ignore it: so text, bytes, bodies without a type
// (navigator.sendBeacon) or with an invalid one, and types with "json" anywhere in them
// count as JSON if the body opens JSON. So do forms, because curl -d sends this type. For
// Rack a body without a type is a form. ok is false if one backend would read the body as
// JSON and another as something else.
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

// IsMultipart reports whether some backend reads a body with that Content-Type, in lower
// case, as a form in parts. Some backends search for the word, and some also read
// multipart/mixed. ok is false if not all backends that read forms do.
func IsMultipart(contentType string) (is, ok bool) {
	essence, _ := cutEssence(contentType)
	ok = strings.HasPrefix(essence, "multipart/") && !strings.Contains(contentType, "urlencoded")
	return strings.Contains(contentType, "multipart/"), ok
}

// IsPlainText reports whether a Content-Type, in lower case, is the type that browsers use
// for a string (navigator.sendBeacon, fetch).
func IsPlainText(contentType string) bool {
	essence, _ := cutEssence(contentType)
	return essence == "text/plain"
}

// cutEssence cuts a Content-Type at the first place where some backend ends the type.
func cutEssence(contentType string) (essence, params string) {
	contentType = strings.Trim(contentType, " \t")
	if i := strings.IndexAny(contentType, ";, \t"); i >= 0 {
		return contentType[:i], strings.TrimLeft(contentType[i:], ";, \t")
	}
	return contentType, ""
}

// lineTypes are the subtypes, without a prefix, of bodies with many JSON texts.
var lineTypes = []string{"ndjson", "ldjson", "jsonl", "jsonlines", "json-lines", "json-seq", "json-stream", "jsonstream"}

// isLines reports whether a type means many JSON texts, such as
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

// IsUTF8 reports whether the parameters of a media type name no charset, or UTF-8 or its
// subset US-ASCII.
func IsUTF8(params string) bool {
	if params == "" || params == "charset=utf-8" { // nearly always
		return true
	}
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

// IsGRPC reports whether a body of the type is made of gRPC's frames, with any content.
func IsGRPC(mediaType string) bool {
	t, _, _ := strings.Cut(mediaType, "+")
	return strings.EqualFold(t, "application/grpc")
}
