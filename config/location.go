package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"
)

// The styles in which a client may present its key.
const (
	InBearer = "bearer"
	InHeader = "header"
	InQuery  = "query"
	InBody   = "body"
	InBasic  = "basic"
	InForm   = "form"
)

// Location says where a credential may stand in a request, or what is removed from
// it though it is none.
type Location struct {
	// The style: `bearer` (Authorization: Bearer, RFC 6750), `header`, `query`,
	// `body` (a member of a JSON body), `basic` (Authorization: Basic, RFC 7617)
	// or `form` (a field of an application/x-www-form-urlencoded body).
	In string `json:"in"`

	// The names of the headers, query parameters, JSON members or form fields.
	// Case does not matter. For `basic` either `user` or `password`, or nothing:
	// then the key is the user name if the password is empty, else the password.
	Names []string `json:"names,omitempty"`

	// For `body`: the member of the top-level object that is an array, in whose
	// elements the members stand. Default: the top-level object, the elements of a
	// top-level array, and lines of NDJSON.
	Rows string `json:"rows,omitempty"`
}

// DefaultLocations are used when a gate names none: all four usual styles.
func DefaultLocations() []Location {
	return []Location{
		{In: InBearer},
		{In: InHeader, Names: []string{"X-API-Key"}},
		{In: InQuery, Names: []string{"apiKey", "api_key", "_apikey"}},
		{In: InBody, Names: []string{"token", "api_key"}},
	}
}

// validateLocations reports the first location that is wrong. A place is one for
// credentials or one that is only emptied, and is named once.
func (g *Gate) validateLocations() error {
	seen := make(map[string]string) // settings by place
	for i, l := range slices.Concat(g.Credentials, g.Remove) {
		setting := "credential"
		if i >= len(g.Credentials) {
			setting = "remove"
		}
		if err := l.validate(setting); err != nil {
			return err
		}
		for _, place := range l.places() {
			switch other := seen[place.id]; other {
			case "":
				seen[place.id] = setting
			case setting:
				return fmt.Errorf("%s %s: %sis there twice", setting, l.In, place.label)
			default:
				return fmt.Errorf("%s %s: %sis a place for credentials, too, as the usual ones are if no `credential` is written; choose one", setting, l.In, place.label)
			}
		}
	}
	return nil
}

// place is one place of a location.
type place struct{ id, label string }

func (l Location) places() []place {
	if l.In == InBearer || l.In == InBasic {
		return []place{{id: l.In}}
	}
	var list []place
	for _, name := range l.Names {
		list = append(list, place{l.In + " " + strings.ToLower(l.Rows) + " " + strings.ToLower(name), name + " "})
	}
	return list
}

// takes says what the gate does with a place outside of rows before it looks at
// anything else, "" if nothing.
func (g *Gate) takes(in, name string) string {
	same := func(other string) bool { return strings.EqualFold(other, name) }
	for i, l := range slices.Concat(g.Credentials, g.Remove) {
		switch {
		case l.In != in || l.Rows != "" || !slices.ContainsFunc(l.Names, same):
		case i < len(g.Credentials):
			return "carries a credential"
		default:
			return "is removed"
		}
	}
	return ""
}

func (l Location) validate(setting string) error {
	if l.Rows != "" && l.In != InBody {
		return fmt.Errorf("%s %s: only `%[1]s body FIELD… in ARRAY` has rows", setting, l.In)
	}
	switch l.In {
	case InBearer:
		if len(l.Names) > 0 {
			return fmt.Errorf("%s bearer: takes no name, it always is the Authorization header", setting)
		}
	case InBasic:
		if len(l.Names) > 1 || len(l.Names) == 1 && l.Names[0] != "user" && l.Names[0] != "password" {
			return fmt.Errorf("%s basic: write `basic`, `basic user` or `basic password`", setting)
		}
	case InHeader, InQuery, InBody, InForm:
		return l.validateNames(setting)
	default:
		return fmt.Errorf("%s: %q is not one of bearer, header, query, body, basic, form", setting, l.In)
	}
	return nil
}

func (l Location) validateNames(setting string) error {
	if len(l.Names) == 0 {
		return fmt.Errorf("%s %s: at least one name is needed, such as `%[1]s %[2]s %s`", setting, l.In, exampleName[l.In])
	}
	for _, name := range l.Names {
		if name == "" {
			return fmt.Errorf("%s %s: a name must not be empty", setting, l.In)
		}
		if l.In == InHeader && !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("%s header: %q is not a header name (RFC 9110, section 5.1)", setting, name)
		}
		if l.In == InHeader && isReserved(name) {
			return fmt.Errorf("%s header: %s has a meaning of its own in HTTP; use a header such as X-API-Key", setting, name)
		}
		if l.In == InHeader && isAuthorization(name) {
			return fmt.Errorf("%s header: %s is read by `%[1]s bearer` and `%[1]s basic`", setting, name)
		}
	}
	return nil
}

func isAuthorization(name string) bool { return strings.EqualFold(name, "Authorization") }

// isReserved reports whether a header frames or routes messages, or is set by
// proxies, so that it can carry neither a key nor an assertion.
func isReserved(name string) bool {
	switch canonical := http.CanonicalHeaderKey(name); canonical {
	case "Connection", "Cookie", "Date", "Expect", "Forwarded", "Host", "Keep-Alive", "Origin", "Referer", "Set-Cookie",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via":
		return true
	default:
		return strings.HasPrefix(canonical, "Content-") || strings.HasPrefix(canonical, "Proxy-") ||
			strings.HasPrefix(canonical, "X-Forwarded-") || strings.HasPrefix(canonical, "Sec-")
	}
}

var exampleName = map[string]string{InHeader: "X-API-Key", InQuery: "apiKey", InBody: "token", InForm: "api_key"}
