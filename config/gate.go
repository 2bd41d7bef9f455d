package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Gate holds the settings of one gate. The zero value, with SetDefaults, takes a
// key in any of the four usual styles and asks nothing else of the request.
type Gate struct {
	// Where a client may present its key. Default: `bearer`, header `X-API-Key`,
	// query `apiKey`, `api_key` or `_apikey`, body `token` or `api_key`.
	Credentials []Location `json:"credentials,omitempty"`

	// What to do when a request presents two different keys: `reject` (400, the
	// default) or `first` (the first counts, in the order Authorization, other
	// headers as configured, query, body). The same key twice is always fine.
	Conflict string `json:"conflict,omitempty"`

	// Whether credentials are removed from the request before it is passed on:
	// `on` (the default) or `off`, for a backend that still checks keys itself.
	// Logs are cleaned in both cases.
	Strip string `json:"strip,omitempty"`

	// The modes of keys this gate takes: `live`, `test`. Default: both.
	Modes []string `json:"modes,omitempty"`

	// Scopes a key must have, all of them. Default: none.
	Scopes []string `json:"scopes,omitempty"`

	// IDs in the request that the key must be allowed for.
	Resources []Resource `json:"resources,omitempty"`

	// Members that a JSON body must have.
	Require []Requirement `json:"require,omitempty"`

	// The largest body accepted, as it was sent. Default: 1MiB.
	MaxBody Size `json:"max_body,omitempty"`

	// The largest body accepted after Content-Encoding was undone. Default: 8MiB.
	MaxDecoded Size `json:"max_decoded,omitempty"`

	// How many times larger than sent a decoded body may be. Bodies that decode to
	// less than 64KiB are not held to it. Default: 100.
	MaxRatio int `json:"max_ratio,omitempty"`

	// How many elements a top-level JSON array, or lines NDJSON, may have at most.
	// Default: any number.
	MaxItems int `json:"max_items,omitempty"`

	// How much may be used in which time. A request counts against all limits or,
	// if one of them refuses it, against none. Default: no limits.
	Limits []Limit `json:"limits,omitempty"`

	// How many failed authentications a client IP (IPv6: a /64) may have in which
	// time, such as 20/1m. Over it requests are refused without looking their key
	// up. Default: any number.
	LimitFailures Rate `json:"limit_failures,omitzero"`

	// How many requests may be in flight at a time. Default: any number.
	InFlight InFlight `json:"in_flight,omitzero"`

	// Which headers describe the limits besides X-RateLimit-Limit, -Remaining and
	// -Reset: `ietf` adds RateLimit-Policy and RateLimit of
	// draft-ietf-httpapi-ratelimit-headers-10. Default: none.
	LimitHeaders string `json:"limit_headers,omitempty"`

	// What the assertion is bound to besides the identity: `request` (method, path
	// and query) or `body` (those and the body's SHA-256). Bound assertions are
	// signed for every request. Default: neither.
	Bind string `json:"bind,omitempty"`

	// Let CORS preflights (OPTIONS with Origin and Access-Control-Request-Method)
	// through without a key and without an assertion. Default: false.
	PassPreflights bool `json:"pass_preflights,omitempty"`

	// The shape of error answers: `json` (the default), `problem` (RFC 9457) or
	// `caddy`, which hands the error to Caddy's `handle_errors`.
	Errors string `json:"errors,omitempty"`

	// Bodies that replace the default one for a status code.
	ErrorBodies []ErrorBody `json:"error_bodies,omitempty"`
}

// Resource is an ID in the request that the key's record must allow.
type Resource struct {
	// The name under which records list the allowed values.
	Name string `json:"name"`

	// Where the ID stands: `path`, `query` or `body`.
	In string `json:"in"`

	// The path pattern, the query parameter or the member of the JSON body.
	At string `json:"at"`
}

// Requirement is a set of members that a JSON body must have, not null and not
// an empty string. It holds for the object, for every element of a top-level
// array and for every line of NDJSON.
type Requirement struct {
	// One of the fields is enough. Default: all are needed.
	Any bool `json:"any,omitempty"`

	// The names of the members, exactly as they are written in the body.
	Fields []string `json:"fields"`
}

// ErrorBody is the answer for one status code.
type ErrorBody struct {
	// The status code it is for, 400 to 599.
	Status int `json:"status"`

	// The Content-Type of the answer; empty for none.
	ContentType string `json:"content_type,omitempty"`

	// The body. Placeholders work, `{http.ingest_auth.error}` and
	// `{http.ingest_auth.code}` among them.
	Body string `json:"body,omitempty"`
}

// SetDefaults fills in what was not set.
func (g *Gate) SetDefaults() {
	if len(g.Credentials) == 0 {
		g.Credentials = DefaultLocations()
	}
	setDefault(&g.Conflict, "reject")
	setDefault(&g.Strip, "on")
	setDefault(&g.Errors, "json")
	setDefault(&g.MaxBody, 1<<20)
	setDefault(&g.MaxDecoded, 8<<20)
	setDefault(&g.MaxRatio, 100)
	for i := range g.Limits {
		setDefault(&g.Limits[i].Name, g.Limits[i].name())
	}
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports the first setting that is wrong. What is not set is fine.
func (g *Gate) Validate() error {
	checks := []func() error{
		g.validateCredentials, g.validateResources, g.validateRequire, g.validateErrorBodies,
		func() error { return oneOf("conflict", g.Conflict, "reject", "first") },
		func() error { return oneOf("strip", g.Strip, "on", "off") },
		func() error { return oneOf("bind", g.Bind, "request", "body") },
		func() error { return oneOf("errors", g.Errors, "json", "problem", "caddy") },
		func() error { return eachOneOf("mode", g.Modes, "live", "test") },
		func() error { return names("scope", g.Scopes) },
		func() error { return positive("max_body", g.MaxBody) },
		func() error { return positive("max_decoded", g.MaxDecoded) },
		func() error { return positive("max_ratio", g.MaxRatio) },
		func() error { return positive("max_items", g.MaxItems) },
		g.validateLimits, g.validateInFlight,
		func() error { return oneOf("limit_headers", g.LimitHeaders, "ietf") },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gate) validateCredentials() error {
	seen := make(map[string]bool)
	for _, l := range g.Credentials {
		if err := l.Validate(); err != nil {
			return err
		}
		single := l.In == InBearer || l.In == InBasic
		if single && seen[l.In] {
			return fmt.Errorf("credential %s: is there twice", l.In)
		}
		seen[l.In] = true
		for _, name := range l.Names {
			id := l.In + " " + strings.ToLower(name)
			if seen[id] {
				return fmt.Errorf("credential %s: %s is there twice", l.In, name)
			}
			seen[id] = true
		}
	}
	return nil
}

func (g *Gate) validateResources() error {
	seen := make(map[string]bool)
	for _, r := range g.Resources {
		if err := r.validate(); err != nil {
			return err
		}
		if seen[r.Name] {
			return fmt.Errorf("resource %s: is there twice; a resource stands in one place", r.Name)
		}
		seen[r.Name] = true
		if g.carriesCredential(r) {
			return fmt.Errorf("resource %s: %s in the %s carries a credential, which is not a resource", r.Name, r.At, r.In)
		}
	}
	return nil
}

func (g *Gate) carriesCredential(r Resource) bool {
	for _, l := range g.Credentials {
		same := func(name string) bool { return strings.EqualFold(name, r.At) }
		if l.In == r.In && slices.ContainsFunc(l.Names, same) {
			return true
		}
	}
	return false
}

func (r Resource) validate() error {
	if err := names("resource", []string{r.Name}); err != nil {
		return err
	}
	if r.At == "" {
		return fmt.Errorf("resource %s: write `resource %s path PATTERN`, `resource %s query PARAM` or `resource %s body FIELD`",
			r.Name, r.Name, r.Name, r.Name)
	}
	switch r.In {
	case "query", "body":
		return nil
	case "path":
		p, err := ParsePattern(r.At)
		if err != nil {
			return fmt.Errorf("resource %s: %w", r.Name, err)
		}
		if !p.Has(r.Name) {
			return fmt.Errorf("resource %s: the path pattern %s has no segment {%s}", r.Name, r.At, r.Name)
		}
		return nil
	default:
		return fmt.Errorf("resource %s: %q is not one of path, query, body", r.Name, r.In)
	}
}

func (g *Gate) validateRequire() error {
	for _, r := range g.Require {
		if len(r.Fields) == 0 || slices.Contains(r.Fields, "") {
			return fmt.Errorf("require: write `require any FIELD…` or `require all FIELD…`")
		}
	}
	return nil
}

func (g *Gate) validateErrorBodies() error {
	if g.Errors == "caddy" && len(g.ErrorBodies) > 0 {
		return errors.New("error: with `errors caddy` the answer is up to handle_errors; remove one of the two")
	}
	seen := make(map[int]bool)
	for _, e := range g.ErrorBodies {
		if e.Status < 400 || e.Status > 599 {
			return fmt.Errorf("error: %d is not a status code from 400 to 599", e.Status)
		}
		if seen[e.Status] {
			return fmt.Errorf("error %d: is there twice", e.Status)
		}
		if strings.ContainsAny(e.ContentType, "\r\n") {
			return fmt.Errorf("error %d: the content type must be one line", e.Status)
		}
		seen[e.Status] = true
	}
	return nil
}

func oneOf(setting, value string, allowed ...string) error {
	if value == "" || slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s", setting, value, strings.Join(allowed, ", "))
}

func eachOneOf(setting string, values []string, allowed ...string) error {
	for i, v := range values {
		if v == "" || !slices.Contains(allowed, v) {
			return fmt.Errorf("%s: %q is not one of %s", setting, v, strings.Join(allowed, ", "))
		}
		if slices.Contains(values[:i], v) {
			return fmt.Errorf("%s: %s is there twice", setting, v)
		}
	}
	return nil
}

// names checks names that end up in records, tokens and placeholders.
func names(setting string, values []string) error {
	for i, v := range values {
		if v == "" || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '"' || r == '\\' || r >= 0x7f }) {
			return fmt.Errorf("%s: %q is not a name; use letters, digits and any of - _ . : /", setting, v)
		}
		if slices.Contains(values[:i], v) {
			return fmt.Errorf("%s: %s is there twice", setting, v)
		}
	}
	return nil
}

func positive[T ~int | ~int64](setting string, v T) error {
	if v < 0 {
		return fmt.Errorf("%s: must be greater than zero", setting)
	}
	return nil
}
