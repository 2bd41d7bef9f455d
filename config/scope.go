package config

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Methods that a scope may be limited to.
var scopeMethods = []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// Scope is what a key must have for a request. If a gate has scopes but none of
// them applies to a request's method, the request is refused.
type Scope struct {
	Denial

	// The method it is needed for: GET (includes HEAD), POST, PUT,
	// PATCH, DELETE or OPTIONS. Default: every method.
	Method string `json:"method,omitempty"`

	// The scopes. The key must have all of them.
	Names []string `json:"names"`
}

// AppliesTo reports whether requests of that method need the scope. It ignores case:
// methods are case-sensitive (RFC 9110, section 9.1), but some backends ignore case.
func (s *Scope) AppliesTo(method string) bool {
	return s.Method == "" || strings.EqualFold(s.Method, method) || s.Method == http.MethodGet && strings.EqualFold(method, http.MethodHead)
}

// IsScopeMethod reports whether a word is a method that a scope can name.
func IsScopeMethod(word string) bool { return slices.Contains(scopeMethods, word) }

func (g *Gate) validateScopes() error {
	seen := make(map[string]bool)
	for _, s := range g.Scopes {
		if s.Method != "" && !IsScopeMethod(s.Method) {
			return fmt.Errorf("scope: %q is not one of %s", s.Method, strings.Join(scopeMethods, ", "))
		}
		if len(s.Names) == 0 {
			return fmt.Errorf("scope: write `scope NAME…` or `scope METHOD NAME…`")
		}
		if err := names("scope", s.Names); err != nil {
			return err
		}
		if err := s.validate("scope", http.StatusForbidden, http.StatusNotFound); err != nil {
			return err
		}
		for _, name := range s.Names {
			id := strings.TrimSpace(s.Method + " " + name)
			if seen[id] {
				return fmt.Errorf("scope: %s is given twice", id)
			}
			seen[id] = true
		}
	}
	return nil
}
