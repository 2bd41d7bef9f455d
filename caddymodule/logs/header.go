package logs

import (
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// addHeader does what LoggableHTTPHeader.MarshalLogObject does, but allocates nothing for each
// field.
func (c *cleaner) addHeader(h caddyhttp.LoggableHTTPHeader) {
	for name, values := range h.Header {
		if !h.ShouldLogCredentials && isCredentials(name) {
			values = []string{redacted}
		}
		_ = c.addValues(name, values) // returns an error only if a value does
	}
}

// isCredentials reports whether Caddy never logs the values of a header field, unless the
// option log_credentials says so.
func isCredentials(name string) bool {
	for _, hidden := range [...]string{"Cookie", "Set-Cookie", "Authorization", "Proxy-Authorization"} {
		if strings.EqualFold(name, hidden) {
			return true
		}
	}
	return false
}

// addValues adds the values of a header field, or of the like. Its name is the client's.
func (c *cleaner) addValues(key string, values caddyhttp.LoggableStringArray) error {
	if c.with.IsField(key) {
		c.ObjectEncoder.AddString(c.with.Name(key), redacted)
		return nil
	}
	key = c.with.Name(key)
	values = c.cleaned(key, values)
	if !c.reuse {
		return c.ObjectEncoder.AddArray(key, values)
	}
	c.values = values
	return c.ObjectEncoder.AddArray(key, &c.values)
}

// cleaned returns values without keys. Most are clean already.
func (c *cleaner) cleaned(key string, values []string) []string {
	shared := true
	for i, text := range values {
		clean := passed(c.with.Value(key, text))
		if clean == text {
			continue
		}
		if shared {
			values, shared = slices.Clone(values), false
		}
		values[i] = clean
	}
	return values
}
