package config

import (
	"fmt"
	"strings"
)

// BodyIn says that the values of some fields are JSON documents: plain, percent-encoded
// as all values of queries and forms are, or in base64.
type BodyIn struct {
	// Where the fields are: `form` (application/x-www-form-urlencoded, without a type, or
	// text/plain) or `query`.
	In string `json:"in"`

	// Their names, spelled exactly as in requests.
	Names []string `json:"names"`
}

// validateBodyIn reports the first field that cannot be a document.
func (g *Gate) validateBodyIn() error {
	seen := make(map[string]bool)
	for _, b := range g.BodyIn {
		if b.In != InForm && b.In != InQuery || len(b.Names) == 0 {
			return fmt.Errorf("body_in: write `body_in form NAME…` or `body_in query NAME…`")
		}
		if err := checkNames(Location{In: b.In, Names: b.Names}, "body_in", "data"); err != nil {
			return err
		}
		for _, name := range b.Names {
			if err := g.checkDocument(b.In, name, seen); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *Gate) checkDocument(in, name string, seen map[string]bool) error {
	id := in + " " + strings.ToLower(name)
	if seen[id] {
		return fmt.Errorf("body_in %s: %s is given twice", in, name)
	}
	seen[id] = true
	if taken := g.takes(in, name); taken != "" {
		return fmt.Errorf("body_in %s: %s %s and cannot be a JSON document, too; choose one", in, name, taken)
	}
	for _, r := range g.Resources {
		if r.In == in && strings.EqualFold(r.At, name) {
			return fmt.Errorf("body_in %s: %s is resource %s and cannot be a JSON document, too; choose one", in, name, r.Name)
		}
	}
	return nil
}
