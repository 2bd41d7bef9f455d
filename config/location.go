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

// Location says where a credential may stand in a request.
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

// Validate reports what is wrong with the location.
func (l Location) Validate() error {
	if l.Rows != "" && l.In != InBody {
		return fmt.Errorf("credential %s: only `credential body FIELD… in ARRAY` has rows", l.In)
	}
	switch l.In {
	case InBearer:
		if len(l.Names) > 0 {
			return fmt.Errorf("credential bearer: takes no name, it always is the Authorization header")
		}
	case InBasic:
		if len(l.Names) > 1 || len(l.Names) == 1 && l.Names[0] != "user" && l.Names[0] != "password" {
			return fmt.Errorf("credential basic: write `basic`, `basic user` or `basic password`")
		}
	case InHeader, InQuery, InBody, InForm:
		return l.validateNames()
	default:
		return fmt.Errorf("credential: %q is not one of bearer, header, query, body, basic, form", l.In)
	}
	return nil
}

func (l Location) validateNames() error {
	if len(l.Names) == 0 {
		return fmt.Errorf("credential %s: at least one name is needed, such as `credential %s %s`", l.In, l.In, exampleName[l.In])
	}
	for i, name := range l.Names {
		if name == "" {
			return fmt.Errorf("credential %s: a name must not be empty", l.In)
		}
		if l.In == InHeader && !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("credential header: %q is not a header name (RFC 9110, section 5.1)", name)
		}
		if l.In == InHeader && isReserved(name) {
			return fmt.Errorf("credential header: %s has a meaning of its own in HTTP; use a header such as X-API-Key", name)
		}
		if l.In == InHeader && isAuthorization(name) {
			return fmt.Errorf("credential header: %s is read by `credential bearer` and `credential basic`", name)
		}
		same := func(other string) bool { return strings.EqualFold(other, name) }
		if slices.ContainsFunc(l.Names[:i], same) {
			return fmt.Errorf("credential %s: %s is there twice", l.In, name)
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
