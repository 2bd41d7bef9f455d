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
	InScheme = "scheme"
	InHeader = "header"
	InCookie = "cookie"
	InPath   = "path"
	InQuery  = "query"
	InBody   = "body"
	InBasic  = "basic"
	InForm   = "form"

	InMultipart = "multipart"
)

// Place is the part of a request that a location is in.
type Place uint8

// The places.
const (
	PlaceAuthorization Place = iota // a scheme of that header
	PlaceHeader                     // a header of a name
	PlaceCookie
	PlacePath
	PlaceQuery
	PlaceBody
)

// style is everything about a style of locations, except how to find and cut its values:
// internal/credential has a function for each style.
type style struct {
	in    string // in Caddyfile and JSON, and the label of the metrics
	place Place
	// check checks the names. example is an example of a name, "" if the style takes no
	// names or only fixed ones.
	check   func(l Location, setting, example string) error
	example string
	// rows says whether it may have `in ARRAY`.
	rows bool
	// param says whether it may have `param PARAM`.
	param bool
}

// styles has a row for each style, in the order in which people see them.
var styles = [...]style{
	{in: InBearer, place: PlaceAuthorization, check: checkBearer},
	{in: InScheme, place: PlaceAuthorization, check: checkScheme, example: "Token"},
	{in: InHeader, place: PlaceHeader, check: checkHeader, example: "X-API-Key", param: true},
	{in: InCookie, place: PlaceCookie, check: checkCookie, example: "api_key"},
	{in: InPath, place: PlacePath, check: checkPatterns, example: "/services/{key}/*"},
	{in: InQuery, place: PlaceQuery, check: checkNames, example: "apiKey"},
	{in: InBody, place: PlaceBody, check: checkPaths, example: "token", rows: true},
	{in: InBasic, place: PlaceAuthorization, check: checkBasic},
	{in: InForm, place: PlaceBody, check: checkNames, example: "api_key"},
	{in: InMultipart, place: PlaceBody, check: checkNames, example: "api_key"},
}

// Styles is how many styles there are.
const Styles = len(styles)

// LocationStyles returns the names of all styles.
func LocationStyles() []string {
	names := make([]string, len(styles))
	for i := range styles {
		names[i] = styles[i].in
	}
	return names
}

// StyleIndex returns the index of a style in LocationStyles, or -1.
func StyleIndex(name string) int {
	for i := range styles {
		if styles[i].in == name {
			return i
		}
	}
	return -1
}

// style returns the row of the location, or an empty row if there is none.
func (l Location) style() style {
	if i := StyleIndex(l.In); i >= 0 {
		return styles[i]
	}
	return style{}
}

// Location is a place in a request where a credential may be, or a place that is emptied
// although it is not for credentials.
type Location struct {
	// The style: `bearer` (Authorization: Bearer, RFC 6750), `scheme` (another scheme of
	// that header), `header`, `cookie`, `path` (a segment of it), `query`, `body` (a member
	// of a JSON body), `basic` (Authorization: Basic, RFC 7617), `form` (a field of an
	// application/x-www-form-urlencoded body) or `multipart` (a field of a
	// multipart/form-data body, before its files).
	In string `json:"in"`

	// The names of the schemes, headers, cookies, query parameters or form fields. For
	// `path` the patterns, each with a segment `{key}`. For `body` the paths of JSON
	// members: `properties.token` is the member token of properties; write a dot in a name as
	// `\.`. Upper and lower case do not matter. For `basic` write `user`, `password`, or nothing:
	// then the key is the user name if the password is empty, else the password.
	Names []string `json:"names,omitempty"`

	// For `body`: the path of the array whose elements have the members. Default:
	// the top-level object, the elements of a top-level array, and lines of NDJSON.
	Rows string `json:"rows,omitempty"`

	// For `header`: the parameter in the header's value that is the key, such as
	// `sentry_key` in `X-Sentry-Auth: Sentry sentry_version=7, sentry_key=…`. Default:
	// the whole value.
	Param string `json:"param,omitempty"`
}

// usualNames are names of keys in queries, bodies and forms.
var usualNames = []string{"apiKey", "api_key", "_apikey", "token", "access_token", "writeKey"}

// DefaultLocations are used if a gate names no locations: all usual places.
func DefaultLocations() []Location {
	return []Location{
		{In: InBearer},
		{In: InHeader, Names: []string{"X-API-Key", "Api-Key"}},
		{In: InQuery, Names: slices.Clone(usualNames)},
		{In: InBody, Names: slices.Clone(usualNames)},
		{In: InForm, Names: slices.Clone(usualNames)},
	}
}

// validateLocations reports the first location that is wrong. A place is either for
// credentials or only emptied, and must be named only once.
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
		for _, spot := range l.spots() {
			switch other := seen[spot.id]; other {
			case "":
				seen[spot.id] = setting
			case setting:
				return fmt.Errorf("%s %s: %sis given twice", setting, l.In, spot.label)
			default:
				return fmt.Errorf("%s %s: %sis also a place for credentials (without any `credential`, the usual places are); choose one", setting, l.In, spot.label)
			}
		}
	}
	return g.validateParams()
}

// validateParams refuses a parameter of a header that is taken whole.
func (g *Gate) validateParams() error {
	all := slices.Concat(g.Credentials, g.Remove)
	for _, l := range all {
		if l.Param == "" {
			continue
		}
		for _, name := range l.Names {
			whole := func(other Location) bool {
				return other.In == l.In && other.Param == "" && slices.ContainsFunc(other.Names, func(n string) bool { return strings.EqualFold(n, name) })
			}
			if slices.ContainsFunc(all, whole) {
				return fmt.Errorf("%s %s param %s: %[2]s is also taken whole; choose one", l.In, name, l.Param)
			}
		}
	}
	return nil
}

// Place returns the part of the request that the location is in.
func (l Location) Place() Place { return l.style().place }

// Headers returns the names of the headers that have the key, none if the location is not
// in a header.
func (l Location) Headers() []string {
	switch l.Place() {
	case PlaceAuthorization:
		return []string{"Authorization"}
	case PlaceCookie:
		return []string{"Cookie"}
	case PlaceHeader:
		return l.Names
	default:
		return nil
	}
}

// Fields returns the names directly before the values in a location: for the path of a member
// its last name. There are none if values have no name before them.
func (l Location) Fields() []string {
	switch l.Place() {
	case PlaceAuthorization, PlacePath:
		return nil
	case PlaceHeader:
		if l.Param == "" {
			return l.Names
		}
		return []string{l.Param}
	default:
	}
	if l.In != InBody {
		return l.Names
	}
	var fields []string
	for _, name := range l.Names {
		if path, err := ParsePath(name); err == nil {
			fields = append(fields, path[len(path)-1])
		}
	}
	return fields
}

// HasRows reports whether the location can be inside an array.
func (l Location) HasRows() bool { return l.style().rows }

// HasParam reports whether the location can be a parameter of a value.
func (l Location) HasParam() bool { return l.style().param }

// spot is one of the places that a location names.
type spot struct{ id, label string }

func (l Location) spots() []spot {
	if l.In == InBearer || l.In == InBasic {
		return []spot{{id: l.In}}
	}
	var list []spot
	for _, name := range l.Names {
		label := name + " "
		if l.Param != "" {
			label += "param " + l.Param + " "
		}
		list = append(list, spot{l.In + " " + spotID(l.In, l.Rows, name) + " " + fold(l.Param), label})
	}
	return list
}

// spotID returns the same for all names of the same place in a part of the request.
func spotID(in, rows, name string) string {
	if in != InBody {
		return fold(name)
	}
	path, _ := memberPath(rows, name) // a wrong one is refused elsewhere
	return foldPath(path)
}

// takes says what the gate does with a place before it looks at anything else, or "" for
// nothing.
func (g *Gate) takes(in, name string) string {
	for i, l := range slices.Concat(g.Credentials, g.Remove) {
		same := func(other string) bool { return spotID(in, l.Rows, other) == spotID(in, "", name) }
		switch {
		case l.In != in || !slices.ContainsFunc(l.Names, same):
		case i < len(g.Credentials):
			return "carries a credential"
		default:
			return "is removed"
		}
	}
	return ""
}

func (l Location) validate(setting string) error {
	row := l.style()
	if l.Rows != "" && !row.rows {
		return fmt.Errorf("%s %s: only `%[1]s body FIELD… in ARRAY` has rows", setting, l.In)
	}
	if l.Param != "" && !row.param {
		return fmt.Errorf("%s %s: only `%[1]s header NAME param PARAM` has a parameter", setting, l.In)
	}
	if row.check == nil {
		return fmt.Errorf("%s: %q is not one of %s", setting, l.In, strings.Join(LocationStyles(), ", "))
	}
	return row.check(l, setting, row.example)
}

func checkBearer(l Location, setting, _ string) error {
	if len(l.Names) > 0 {
		return fmt.Errorf("%s bearer: takes no name, because it always means the Authorization header", setting)
	}
	return nil
}

func checkBasic(l Location, setting, _ string) error {
	if len(l.Names) > 1 || len(l.Names) == 1 && l.Names[0] != "user" && l.Names[0] != "password" {
		return fmt.Errorf("%s basic: write `basic`, `basic user` or `basic password`", setting)
	}
	return nil
}

func checkNames(l Location, setting, example string) error {
	if len(l.Names) == 0 {
		return fmt.Errorf("%s %s: at least one name is needed, such as `%[1]s %[2]s %s`", setting, l.In, example)
	}
	if slices.Contains(l.Names, "") {
		return fmt.Errorf("%s %s: a name must not be empty", setting, l.In)
	}
	for _, name := range l.Names {
		if l.In != InPath && strings.Contains(name, ",") {
			return fmt.Errorf("%s %s: %q has a comma in it; write spaces between names, as in `%[1]s %[2]s NAME NAME`", setting, l.In, name)
		}
	}
	return nil
}

// checkPaths checks names of members. Each is a path.
func checkPaths(l Location, setting, example string) error {
	if err := checkNames(l, setting, example); err != nil {
		return err
	}
	for _, name := range l.Names {
		if _, err := ParsePath(name); err != nil {
			return fmt.Errorf("%s %s: %w", setting, l.In, err)
		}
	}
	if l.Rows == "" {
		return nil
	}
	if _, err := ParsePath(l.Rows); err != nil {
		return fmt.Errorf("%s %s: in %w", setting, l.In, err)
	}
	return nil
}

func checkScheme(l Location, setting, example string) error {
	if err := checkNames(l, setting, example); err != nil {
		return err
	}
	for _, name := range l.Names {
		switch {
		case strings.EqualFold(name, InBearer), strings.EqualFold(name, InBasic):
			return fmt.Errorf("%s scheme: write `%[1]s %s`, without `scheme`", setting, strings.ToLower(name))
		case !isToken(name):
			return fmt.Errorf("%s scheme: %q is not a scheme (RFC 9110, section 11.1); write one word, such as `%[1]s scheme %[3]s`", setting, name, example)
		case setting == "credential" && slices.ContainsFunc(keyless, func(other string) bool { return strings.EqualFold(other, name) }):
			return fmt.Errorf("%s scheme: clients do not send a key with %s but prove that they have one, which is not supported", setting, name)
		}
	}
	return nil
}

// keyless are schemes in which no key is sent.
var keyless = []string{"Digest", "Negotiate", "NTLM", "HOBA", "Mutual", "SCRAM-SHA-1", "SCRAM-SHA-256", "AWS4-HMAC-SHA256"}

func checkHeader(l Location, setting, example string) error {
	if err := checkNames(l, setting, example); err != nil {
		return err
	}
	if l.Param != "" && !isToken(l.Param) {
		return fmt.Errorf("%s header: %q is not the name of a parameter (RFC 9110, section 5.6.6); write `%[1]s header NAME param PARAM`", setting, l.Param)
	}
	for _, name := range l.Names {
		switch {
		case !httpguts.ValidHeaderFieldName(name):
			return fmt.Errorf("%s header: %q is not a header name (RFC 9110, section 5.1); write something like `%[1]s header %[3]s`", setting, name, example)
		case strings.EqualFold(name, "Cookie"):
			return fmt.Errorf("%s header: write `%[1]s cookie NAME`, with the name of the cookie", setting)
		case isReserved(name):
			return fmt.Errorf("%s header: %s has a meaning of its own in HTTP; use a header such as X-API-Key", setting, name)
		case isAuthorization(name):
			return fmt.Errorf("%s header: %s is read by `%[1]s bearer`, `%[1]s basic` and `%[1]s scheme NAME`", setting, name)
		}
	}
	return nil
}

func checkCookie(l Location, setting, example string) error {
	if err := checkNames(l, setting, example); err != nil {
		return err
	}
	for _, name := range l.Names {
		if !isToken(name) {
			return fmt.Errorf("%s cookie: %q is not the name of a cookie (RFC 6265, section 4.1.1); write the name alone, such as `%[1]s cookie %[3]s`", setting, name, example)
		}
	}
	return nil
}

// KeySegment is the name of the segment of a path that is a key.
const KeySegment = "key"

func checkPatterns(l Location, setting, example string) error {
	if err := checkNames(l, setting, example); err != nil {
		return err
	}
	for _, name := range l.Names {
		p, err := ParsePattern(name)
		if err != nil {
			return fmt.Errorf("%s path: %w", setting, err)
		}
		if !p.Has(KeySegment) {
			return fmt.Errorf("%s path: the path pattern %s has no segment {%s}; write something like `%[1]s path %[4]s`", setting, name, KeySegment, example)
		}
	}
	return nil
}

// isToken reports whether s is a token as of RFC 9110, section 5.6.2.
func isToken(s string) bool { return httpguts.ValidHeaderFieldName(s) }

func isAuthorization(name string) bool { return strings.EqualFold(name, "Authorization") }

// isReserved reports whether a header frames or routes messages, or is set by proxies.
// Such a header can carry neither a key nor an assertion.
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
