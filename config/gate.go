package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Gate holds the settings of one gate. The zero value, after SetDefaults, accepts a key
// in any of the usual places and has no other requirements.
type Gate struct {
	// Where a client may present its key. Default: `bearer`, header `X-API-Key` or
	// `Api-Key`, and in query, body and form `apiKey`, `api_key`, `_apikey`, `token`,
	// `access_token` or `writeKey`.
	Credentials []Location `json:"credentials,omitempty"`

	// Places that are emptied although they are not for credentials. Their values never
	// count as keys and never conflict with one. Default: none.
	Remove []Location `json:"remove,omitempty"`

	// Fields whose value is a JSON document. Everything that applies to JSON bodies
	// applies to them. Default: none.
	BodyIn []BodyIn `json:"body_in,omitempty"`

	// Whether the gate refuses bad requests: `on` (the default) or `off`, which is report
	// mode. In report mode every request passes unchanged, except that an identity header
	// sent by the client is deleted. The assertion then has a `verdict`, and requests
	// that would have been refused are counted and logged.
	Enforce string `json:"enforce,omitempty"`

	// What to do when a request has two different keys: `reject` (400, the default) or
	// `first` (the first counts, in the order Authorization, other headers as configured,
	// parameters of headers and cookies, path, query, body). The same key twice is always fine.
	Conflict string `json:"conflict,omitempty"`

	// Whether the gate cuts credentials, and the places of `remove`, out of the request before it
	// passes it on: `on`, or `off` for a backend that still checks keys itself. Logs are cleaned in
	// both cases. Default: `on`; with `enforce off` it is `off`.
	Strip string `json:"strip,omitempty"`

	// What happens to copies of the key in places where the gate does not look for credentials:
	// `cut` removes them (the default), `refuse` refuses the request (400), `keep` does not
	// search for them. With `strip off` they are kept. In report mode they are counted.
	Copies string `json:"copies,omitempty"`

	// The modes of the keys that this gate accepts: `live`, `test`. Default: both.
	Modes []string `json:"modes,omitempty"`

	// Scopes a key must have, for all requests or by method. Default: none.
	Scopes []Scope `json:"scopes,omitempty"`

	// IDs in the request that the key must be allowed for.
	Resources []Resource `json:"resources,omitempty"`

	// Members that a JSON body must have.
	Require []Requirement `json:"require,omitempty"`

	// Parameters that the query must have, with a value that is not white space. A name
	// with other upper and lower case is refused, because backends differ in whether it
	// counts.
	RequireQuery []string `json:"require_query,omitempty"`

	// What a JSON body must be: `object`, `array`, or `any` (the default). A GET,
	// HEAD, DELETE or OPTIONS request without a body passes.
	BodyShape string `json:"body_shape,omitempty"`

	// Whether a JSON body may be several JSON texts, one after the other (`{}{}`, as
	// Splunk's HTTP Event Collector accepts them), with or without white space between
	// them: `on` or `off`. They are rows like the lines of NDJSON. Default: `off`: text
	// after the first JSON text is refused.
	BodyConcatenated string `json:"body_concatenated,omitempty"`

	// The largest body accepted, as it was sent. Default: 1MiB for bodies that are
	// read, any size for those that only pass through.
	MaxBody Size `json:"max_body,omitempty"`

	// The largest body accepted after it was decoded. Default: 8MiB.
	MaxDecoded Size `json:"max_decoded,omitempty"`

	// How many times larger than sent a decoded body may be. It does not apply to bodies
	// of less than 64KiB decoded. Default: 100.
	MaxRatio int `json:"max_ratio,omitempty"`

	// How many elements a top-level JSON array may have at most, or how many lines
	// NDJSON, or how many texts a body with `body_concatenated on`. Default: any number.
	MaxItems int `json:"max_items,omitempty"`

	// How many elements or lines it must have at least. Default: 0.
	MinItems int `json:"min_items,omitempty"`

	// How many units may be used in a window of time. A request counts against all limits
	// or, if one of them refuses it, against none. Default: no limits.
	Limits []Limit `json:"limits,omitempty"`

	// How many failed authentications a client IP (IPv6: a /64) may have in a window of
	// time, such as 20/1m. Over it requests are refused without looking up their key.
	// Default: any number.
	LimitFailures Rate `json:"limit_failures,omitzero"`

	// How many requests may be in flight at a time. Default: any number.
	InFlight InFlight `json:"in_flight,omitzero"`

	// Which headers describe the limits: `unix` (X-RateLimit-Limit, -Remaining and
	// -Reset, the last in Unix seconds), `seconds` (the same, -Reset in seconds from
	// now), `ietf` (those of `unix`, and RateLimit-Policy and RateLimit of
	// draft-ietf-httpapi-ratelimit-headers-10), `off` (none). A 429 has Retry-After in
	// any case. Default: `unix`.
	LimitHeaders string `json:"limit_headers,omitempty"`

	// What the assertion is bound to in addition to the identity: `request` (method, path
	// and query) or `body` (those and the body's SHA-256). Bound assertions are
	// signed for every request. Default: neither.
	Bind string `json:"bind,omitempty"`

	// Let CORS preflights (OPTIONS with Origin and Access-Control-Request-Method)
	// through without a key and without an assertion. Default: false.
	PassPreflights bool `json:"pass_preflights,omitempty"`

	// Web origins whose pages may use the service. The gate answers their CORS
	// preflights itself, and sets the CORS headers of all answers in place of the
	// backend's. Listed origins may send cookies, as navigator.sendBeacon does; with `*`
	// no origin may. It has no effect with `enforce off`. Default: none; CORS is left to
	// the backend.
	CORS []Origin `json:"cors,omitempty"`

	// The shape of error answers: `json` (the default), `problem` (RFC 9457) or `caddy`,
	// which passes the error to Caddy's `handle_errors`.
	Errors string `json:"errors,omitempty"`

	// Bodies that replace the default body for a status code.
	ErrorBodies []ErrorBody `json:"error_bodies,omitempty"`
}

// ErrorBody is the answer for one status code.
type ErrorBody struct {
	// The status code it is for, 400 to 599.
	Status int `json:"status"`

	// The Content-Type of the answer; empty for none.
	ContentType string `json:"content_type,omitempty"`

	// The body. Placeholders work, such as `{http.ingest_auth.error}` and
	// `{http.ingest_auth.code}`.
	Body string `json:"body,omitempty"`
}

// SetDefaults fills in what was not set.
func (g *Gate) SetDefaults() {
	if len(g.Credentials) == 0 {
		g.Credentials = DefaultLocations()
	}
	setDefault(&g.Conflict, "reject")
	setDefault(&g.Enforce, "on")
	if g.Enforce == "off" {
		setDefault(&g.Strip, "off")
	}
	setDefault(&g.Strip, "on")
	if g.keepsKeys() {
		setDefault(&g.Copies, "keep")
	}
	setDefault(&g.Copies, "cut")
	setDefault(&g.BodyShape, "any")
	setDefault(&g.BodyConcatenated, "off")
	setDefault(&g.Errors, "json")
	setDefault(&g.MaxDecoded, 8<<20)
	setDefault(&g.MaxRatio, 100)
	for i := range g.Limits {
		setDefault(&g.Limits[i].Name, g.Limits[i].name())
	}
}

// keepsKeys reports whether the backend gets keys for good, and not only until the gate
// enforces.
func (g *Gate) keepsKeys() bool { return g.Strip == "off" && g.Enforce != "off" }

// MaxRead is the largest body that is read, as it was sent.
func (g *Gate) MaxRead() Size {
	if g.MaxBody == 0 {
		return 1 << 20
	}
	return g.MaxBody
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Validate reports the first setting that is wrong. A setting may be left out.
func (g *Gate) Validate() error {
	checks := []func() error{
		g.validateLocations, g.validateBodyIn, g.validateScopes, g.validateResources, g.validateRequire, g.validateMembers, g.validateErrorBodies, g.validateCORS,
		func() error { return oneOf("enforce", g.Enforce, "on", "off") },
		func() error { return oneOf("conflict", g.Conflict, "reject", "first") },
		func() error { return oneOf("strip", g.Strip, "on", "off") },
		func() error { return oneOf("copies", g.Copies, "cut", "refuse", "keep") },
		g.validateCopies,
		func() error { return oneOf("bind", g.Bind, "request", "body") },
		func() error { return oneOf("errors", g.Errors, "json", "problem", "caddy") },
		func() error { return eachOneOf("mode", g.Modes, "live", "test") },
		func() error { return oneOf("body_shape", g.BodyShape, "object", "array", "any") },
		func() error { return oneOf("body_concatenated", g.BodyConcatenated, "on", "off") },
		func() error { return positive("max_body", g.MaxBody) },
		func() error { return positive("max_decoded", g.MaxDecoded) },
		func() error { return positive("max_ratio", g.MaxRatio) },
		func() error { return positive("max_items", g.MaxItems) },
		g.validateItems,
		g.validateLimits, g.validateInFlight,
		func() error { return oneOf("limit_headers", g.LimitHeaders, "unix", "seconds", "ietf", "off") },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gate) validateCopies() error {
	if g.keepsKeys() && g.Copies != "" && g.Copies != "keep" {
		return fmt.Errorf("copies: %s has no use with `strip off`, which leaves the key in the request; remove one of the two", g.Copies)
	}
	return nil
}

func (g *Gate) validateItems() error {
	if err := positive("min_items", g.MinItems); err != nil {
		return err
	}
	if g.MaxItems > 0 && g.MinItems > g.MaxItems {
		return fmt.Errorf("min_items: %d is more than max_items, %d", g.MinItems, g.MaxItems)
	}
	return nil
}

func (g *Gate) validateErrorBodies() error {
	if g.Errors == "caddy" && len(g.ErrorBodies) > 0 {
		return errors.New("error: with `errors caddy`, handle_errors writes the answer; remove one of the two")
	}
	seen := make(map[int]bool)
	for _, e := range g.ErrorBodies {
		if e.Status < 400 || e.Status > 599 {
			return fmt.Errorf("error: %d is not a status code from 400 to 599", e.Status)
		}
		if seen[e.Status] {
			return fmt.Errorf("error %d: is given twice", e.Status)
		}
		if strings.ContainsAny(e.ContentType, "\r\n") {
			return fmt.Errorf("error %d: the content type must be one line", e.Status)
		}
		if e.ContentType != "" && !strings.Contains(e.ContentType, "/") {
			return fmt.Errorf("error %d: %q is not a content type; write `error %[1]d application/json BODY`", e.Status, e.ContentType)
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
			return fmt.Errorf("%s: %s is given twice", setting, v)
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
			return fmt.Errorf("%s: %s is given twice", setting, v)
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
