package caddymodule

import (
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/ingestauth/caddy-ingest-auth/internal/credential"
)

// bodyKind is how a body is looked at.
type bodyKind uint8

const (
	kindOpaque bodyKind = iota // not looked at
	kindJSON                   // must be one JSON text
	kindLines                  // must be NDJSON, or a sequence of JSON texts
	kindForm                   // JSON if it opens it, else application/x-www-form-urlencoded
	kindAny                    // JSON if it opens it
	kindFrames                 // JSON if it opens it and is no frame of gRPC
)

var (
	refTypes = &refusal{status: http.StatusBadRequest, code: "malformed_body", message: "More than one Content-Type"}
	refChars = &refusal{status: http.StatusUnsupportedMediaType, code: "unsupported_charset", message: "Unsupported charset; use UTF-8"}
)

// bodyKind tells from the Content-Type how the body is looked at.
func (g *Gate) bodyKind(h http.Header) (bodyKind, *refusal) {
	if !g.looksAtJSON && !g.finder.LooksAtForm() {
		return kindOpaque, nil
	}
	values := h["Content-Type"]
	if len(values) > 1 {
		return 0, refTypes
	}
	if len(values) == 0 {
		return g.looked(kindForm), nil
	}
	kind, params, ok := mediaKind(strings.ToLower(values[0]))
	switch kind = g.looked(kind); {
	case !ok:
		return 0, refTypes
	case kind != kindOpaque && !isUTF8(params):
		return 0, refChars
	}
	return kind, nil
}

// looked is the kind for a gate that may not look for all there is in it.
func (g *Gate) looked(kind bodyKind) bodyKind {
	switch {
	case kind == kindForm && !g.finder.LooksAtForm():
		return kindAny
	case kind != kindForm && !g.looksAtJSON:
		return kindOpaque
	}
	return kind
}

// mediaKind classifies a Content-Type in lower case, as the most lenient backend
// would read it. Some take a comma or a space for the end of the type, some search
// all of it for a word. Many do not care for it at all: text, bytes, what has no
// type (navigator.sendBeacon) or one that is none, and what has "json" anywhere in
// its type count as JSON if they open it; so do forms, which is what curl -d sends.
// What has no type is a form to Rack. ok is false if one backend would take the body
// for JSON and another for something else.
func mediaKind(contentType string) (kind bodyKind, params string, ok bool) {
	essence, params := cutEssence(contentType)
	form, lines := strings.Contains(contentType, "urlencoded"), isLines(essence)
	json := essence == "application/json" || strings.HasSuffix(essence, "+json") && !lines && !isGRPCType(essence)
	switch {
	case form && (json || lines), json && mentionsLines(params):
		return 0, params, false
	case lines:
		kind = kindLines
	case json:
		kind = kindJSON
	case form, essence == "":
		kind = kindForm
	case strings.Contains(contentType, "json") && isGRPCType(essence):
		kind = kindFrames
	case strings.HasPrefix(essence, "text/"), essence == "application/octet-stream", !isMediaType(contentType), strings.Contains(contentType, "json"):
		kind = kindAny
	}
	return kind, params, true
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

// isUTF8 reports whether the parameters of a media type leave the charset open,
// or name UTF-8 or its subset US-ASCII.
func isUTF8(params string) bool {
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

// opensJSON reports whether a whole body of that kind is looked at as JSON.
func (k bodyKind) opensJSON(raw []byte) bool {
	switch k {
	case kindJSON, kindLines:
		return true
	case kindForm, kindAny, kindFrames:
		opens, _ := k.opens(raw, true)
		return opens
	default:
		return false
	}
}

// opens is credential.OpensJSON for a body of that kind. Frames of gRPC may have JSON
// in them, which no reader of JSON gets to.
func (k bodyKind) opens(beginning []byte, whole bool) (opens, decided bool) {
	if k == kindFrames && isFrame(beginning) {
		return false, true
	}
	return credential.OpensJSON(beginning, whole)
}

// isFrame reports whether a message of gRPC, of less than 16 MiB, begins there (gRPC
// over HTTP/2, "Length-Prefixed-Message").
func isFrame(b []byte) bool { return len(b) > 1 && b[0] <= 1 && b[1] == 0 }

// scan removes credentials from a body in place. looked is false if there was
// nothing to look at.
func (k bodyKind) scan(f *credential.Finder, raw []byte, set *credential.Set) (clean []byte, looked bool, err error) {
	switch {
	case k.opensJSON(raw):
		clean, err = f.JSON(raw, k == kindLines, set)
		if err == nil && k == kindForm {
			err = noForm(f, clean, set)
		}
		return clean, true, err
	case k == kindForm:
		clean, err = f.Form(raw, set)
		return clean, true, err
	}
	return raw, false, nil
}

// errTwoReadings is about a body that has one credential for backends that take it
// for JSON, and another for those that take it for a form.
var errTwoReadings = errors.New("JSON with the field of a form in it that is a credential")

// noForm fails if a JSON body that is a form to some backends has a credential for
// those. It is then no longer what it was.
func noForm(f *credential.Finder, body []byte, set *credential.Set) error {
	found := len(set.Found())
	rest, err := f.Form(body, set)
	if err == nil && (len(rest) != len(body) || len(set.Found()) != found) {
		err = errTwoReadings
	}
	return err
}
