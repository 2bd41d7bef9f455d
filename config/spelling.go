package config

import (
	"fmt"
	"strings"
)

// validateSpellings refuses a member of the body in two spellings that differ in
// case only: bodies must have it as it is written here. Required fields may differ
// among themselves, for clients that do.
func (g *Gate) validateSpellings() error {
	fixed := g.fixedMembers()
	names := fixed
	for _, r := range g.Require {
		if r.In == "" {
			names = append(names, r.Fields...)
		}
	}
	for _, name := range names {
		for _, other := range fixed {
			if name != other && strings.EqualFold(name, other) {
				return fmt.Errorf("%s and %s differ only in upper and lower case, and bodies must spell a member exactly as it is spelled here; spell both the same", other, name)
			}
		}
	}
	return nil
}

// fixedMembers returns the members of the top-level object that are resources or
// arrays whose elements are checked or counted.
func (g *Gate) fixedMembers() []string {
	var fixed []string
	for _, r := range g.Resources {
		if r.In == "body" {
			fixed = append(fixed, r.At)
		}
	}
	for _, r := range g.Require {
		fixed = append(fixed, r.In)
	}
	for _, l := range g.Limits {
		fixed = append(fixed, l.CostIn)
	}
	return fixed
}
