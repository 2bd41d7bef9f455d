package config

import (
	"fmt"
	"strings"
)

// member is a member of a JSON body that a setting names.
type member struct {
	setting string
	kind    memberKind
	path    []string // from a row of the body on
}

// memberKind says what a member is used for.
type memberKind uint8

const (
	memberCredential memberKind = iota
	memberRemoved
	memberResource
	memberArray // its elements are rows
	memberField // that is required
)

// closed says why the gate does not look below a member of this kind, or "" if it does.
func (k memberKind) closed() string {
	switch k {
	case memberCredential:
		return "carries a credential"
	case memberRemoved:
		return "is removed"
	case memberResource:
		return "is a resource"
	default:
		return ""
	}
}

// spelled is how many names of the path bodies must spell exactly as written here.
func (m member) spelled() int {
	switch m.kind {
	case memberCredential, memberRemoved:
		return 0
	case memberField:
		return len(m.path) - 1
	default:
		return len(m.path)
	}
}

// members returns all members that the settings name, except those that ParsePath
// refuses.
func (g *Gate) members() []member {
	var all []member
	add := func(setting string, kind memberKind, in string, names ...string) {
		for _, name := range names {
			if path, err := memberPath(in, name); err == nil {
				all = append(all, member{setting, kind, path})
			}
		}
	}
	for _, l := range g.Credentials {
		add("credential body", memberCredential, l.Rows, l.bodyNames()...)
	}
	for _, l := range g.Remove {
		add("remove body", memberRemoved, l.Rows, l.bodyNames()...)
	}
	for _, r := range g.Resources {
		if r.In == "body" {
			add("resource "+r.Name, memberResource, "", r.At)
		}
	}
	for _, r := range g.Require {
		add("require", memberArray, "", r.In)
		add("require", memberField, r.In, r.Fields...)
	}
	for _, l := range g.Limits {
		add("limit "+l.name(), memberArray, "", l.CostIn)
	}
	return all
}

// bodyNames returns the names of a location in the JSON body.
func (l Location) bodyNames() []string {
	if l.In != InBody {
		return nil
	}
	return l.Names
}

// memberPath is the path of a member: in the elements of the array `in`, or in the rows
// of the body if `in` is "".
func memberPath(in, name string) ([]string, error) {
	path, err := ParsePath(name)
	if err != nil || in == "" {
		return path, err
	}
	array, err := ParsePath(in)
	return append(array, path...), err
}

// validateMembers refuses members of the body that exclude each other.
func (g *Gate) validateMembers() error {
	all := g.members()
	for _, m := range all {
		for _, other := range all {
			if err := m.excludes(other); err != nil {
				return err
			}
		}
	}
	return validateSpellings(all)
}

// excludes refuses a member inside another one into which the gate does not look.
func (m member) excludes(other member) error {
	n, why := len(m.path), m.kind.closed()
	switch {
	case why == "" || len(other.path) < n || foldPath(other.path[:n]) != foldPath(m.path):
		return nil
	case len(other.path) > n:
		return fmt.Errorf("%s: %s is in %s, which %s; remove one of the two", other.setting, formatPath(other.path), formatPath(m.path), why)
	case other.kind == memberArray:
		return fmt.Errorf("%s: %s %s and cannot be the array of rows", other.setting, formatPath(m.path), why)
	}
	return nil
}

// validateSpellings refuses two spellings of a member that differ only in case, if bodies
// must spell it exactly. Required fields may have both spellings, because some clients
// mix them.
func validateSpellings(all []member) error {
	var fixed, names []string
	for _, m := range all {
		for n := range m.spelled() {
			fixed = append(fixed, formatPath(m.path[:n+1]))
		}
		if m.kind == memberField {
			names = append(names, formatPath(m.path))
		}
	}
	for _, name := range append(names, fixed...) {
		for _, other := range fixed {
			if name != other && strings.EqualFold(name, other) {
				return fmt.Errorf("%s and %s differ only in upper and lower case, and bodies must spell a member exactly as it is spelled here; spell both the same", other, name)
			}
		}
	}
	return nil
}
