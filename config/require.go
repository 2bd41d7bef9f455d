package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Requirement is a set of members that a JSON body must have, each a number or text that
// is not white space. It applies to the object, to every element of a top-level array and
// to every line of NDJSON; with In to every element of that array.
type Requirement struct {
	// One of the fields is enough. Default: all are needed.
	Any bool `json:"any,omitempty"`

	// The paths of the members, such as `userId` or `user.id`, spelled exactly as in the
	// body: other upper and lower case is refused. Write a dot in a name as `\.`. A path
	// may go through an array: then the array needs at least one element, and all elements
	// must have the member.
	Fields []string `json:"fields"`

	// The path of the array whose elements must have the fields. Default: the top-level
	// object or the elements of the top-level array.
	In string `json:"in,omitempty"`
}

func (g *Gate) validateRequire() error {
	for _, r := range g.Require {
		if len(r.Fields) == 0 || slices.Contains(r.Fields, "") {
			return errors.New("require: write `require any FIELD…` or `require all FIELD…`, with `in ARRAY` for the rows of an array")
		}
		for _, field := range r.Fields {
			if _, err := memberPath(r.In, field); err != nil {
				return fmt.Errorf("require: %w", err)
			}
		}
		if taken := g.takes(InBody, r.In); r.In != "" && taken != "" {
			return fmt.Errorf("require: %s %s and cannot be the array of rows", r.In, taken)
		}
	}
	return g.validateRequireQuery()
}

// validateRequireQuery refuses names that no query can satisfy: a query must spell them
// exactly, so two spellings exclude each other.
func (g *Gate) validateRequireQuery() error {
	for i, name := range g.RequireQuery {
		same := func(other string) bool { return strings.EqualFold(name, other) }
		if name == "" || slices.ContainsFunc(g.RequireQuery[:i], same) {
			return fmt.Errorf("require_query: %q is given twice or empty; write `require_query NAME…`", name)
		}
		for _, r := range g.Resources {
			if r.In == "query" && r.At != name && same(r.At) {
				return fmt.Errorf("require_query: %s is spelled %s in a resource; spell it the same here", name, r.At)
			}
		}
		if taken := g.takes(InQuery, name); taken != "" {
			return fmt.Errorf("require_query: %s %s and is no longer there when the query is checked; remove it from require_query", name, taken)
		}
	}
	return nil
}
