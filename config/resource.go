package config

import (
	"errors"
	"fmt"
	"net/http"
)

// Resource is an ID in the request that the key's record must allow.
type Resource struct {
	Denial

	// The name under which records list the allowed values.
	Name string `json:"name"`

	// Where the ID is: `path`, `query` or `body`.
	In string `json:"in"`

	// The path pattern, the query parameter or the path of the member of the JSON body,
	// such as `project` or `context.project`.
	At string `json:"at"`

	// Whether a request, or a row of its body, may leave out the ID. Not for IDs in the
	// path. Default: false; then a missing ID gets 400.
	Optional bool `json:"optional,omitempty"`
}

func (g *Gate) validateResources() error {
	seen := make(map[string]bool)
	for _, r := range g.Resources {
		if err := r.validate(); err != nil {
			return err
		}
		if seen[r.Name] {
			return fmt.Errorf("resource %s: is given twice; a resource has one place only", r.Name)
		}
		seen[r.Name] = true
		if taken := g.takes(r.In, r.At); taken != "" {
			return fmt.Errorf("resource %s: %s in the %s %s and cannot be a resource", r.Name, r.At, r.In, taken)
		}
	}
	return nil
}

func (r Resource) validate() error {
	if err := names("resource", []string{r.Name}); err != nil {
		return err
	}
	if r.At == "" {
		return fmt.Errorf("resource %s: write `resource %s path PATTERN`, `resource %s query PARAM` or `resource %s body FIELD`",
			r.Name, r.Name, r.Name, r.Name)
	}
	if err := r.Denial.validate("resource "+r.Name, http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound); err != nil {
		return err
	}
	switch r.In {
	case "query":
		return nil
	case "body":
		if _, err := ParsePath(r.At); err != nil {
			return fmt.Errorf("resource %s: %w", r.Name, err)
		}
		return nil
	case "path":
		return r.validatePath()
	default:
		return fmt.Errorf("resource %s: %q is not one of path, query, body", r.Name, r.In)
	}
}

func (r Resource) validatePath() error {
	p, err := ParsePattern(r.At)
	if err != nil {
		return fmt.Errorf("resource %s: %w", r.Name, err)
	}
	if !p.Has(r.Name) {
		return fmt.Errorf("resource %s: the path pattern %s has no segment {%s}", r.Name, r.At, r.Name)
	}
	if r.Optional {
		return errors.New("resource " + r.Name + ": optional: does not work with a path, because a path that does not match could hide a resource; give paths without the resource their own gate with a matcher")
	}
	return nil
}
