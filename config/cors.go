package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Origin says which web origins (RFC 6454) may read answers: `*` for all,
// `https://app.example.com`, or `https://*.example.com` for every subdomain.
type Origin string

// Matches reports whether the value of an Origin header is one of these origins.
func (o Origin) Matches(origin string) bool {
	prefix, suffix, wildcard := strings.Cut(string(o), "*")
	if !wildcard {
		return strings.EqualFold(string(o), origin)
	}
	if o == "*" {
		return true
	}
	if len(origin) <= len(prefix)+len(suffix) {
		return false
	}
	label := origin[len(prefix) : len(origin)-len(suffix)]
	return strings.EqualFold(origin[:len(prefix)], prefix) && strings.EqualFold(origin[len(origin)-len(suffix):], suffix) && isHost(label)
}

// isHost reports whether s can be a part of a host name.
func isHost(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool {
		return r != '-' && r != '.' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func (o Origin) validate() error {
	if o == "*" {
		return nil
	}
	host := strings.Replace(string(o), "://*.", "://x.", 1)
	u, err := url.Parse(host)
	if err != nil || u.Scheme == "" || u.Host == "" || u.Hostname() == "" || host != u.Scheme+"://"+u.Host || strings.Contains(u.Host, "*") {
		return fmt.Errorf("cors: %q is not an origin; write https://app.example.com, https://*.example.com or *", string(o))
	}
	return nil
}

func (g *Gate) validateCORS() error {
	for i, o := range g.CORS {
		if err := o.validate(); err != nil {
			return err
		}
		if slices.Contains(g.CORS[:i], o) {
			return fmt.Errorf("cors: %s is given twice", o)
		}
	}
	if slices.Contains(g.CORS, "*") && len(g.CORS) > 1 {
		return errors.New("cors: * means every origin; remove the others, or remove *")
	}
	if len(g.CORS) > 0 && g.PassPreflights {
		return errors.New("cors: answers preflights itself; remove pass_preflights")
	}
	return nil
}
