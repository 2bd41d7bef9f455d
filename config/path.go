package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// maxPath is how many nested members a path can name: more than any client nests, but few
// enough that a body cannot force deep recursion.
const maxPath = 16

// indexed are elements of an array in JSONPath and jq.
var indexed = regexp.MustCompile(`\[(\*|[0-9]*)\]$`)

// ParsePath reads the path of a member of a JSON body: the names of the members around it
// and then its own, separated by dots ("properties.token"). A dot in a name is written
// `\.`, a backslash `\\`.
func ParsePath(s string) ([]string, error) {
	var path []string
	var name strings.Builder
	end := func() error {
		switch {
		case name.Len() == 0 && s == "":
			return errors.New("a name must not be empty")
		case name.Len() == 0:
			return fmt.Errorf("%s: a name is empty; write the names of members with one dot between two, and a dot that is part of a name as `\\.`", s)
		case len(path) == maxPath:
			return fmt.Errorf("%s: names more than %d members below each other", s, maxPath)
		}
		path = append(path, name.String())
		name.Reset()
		return nil
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '.':
			if err := end(); err != nil {
				return nil, err
			}
		case c != '\\':
			name.WriteByte(c)
		case i+1 < len(s) && (s[i+1] == '.' || s[i+1] == '\\'):
			i++
			name.WriteByte(s[i])
		default:
			return nil, fmt.Errorf("%s: a backslash must be before a dot; write `\\\\` for a backslash that is part of a name", s)
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	return path, checkOwn(s, path)
}

// checkOwn refuses what means something in JSONPath and jq: no body has such names, so the
// setting would do nothing.
func checkOwn(s string, path []string) error {
	last := len(path) - 1
	if path[0] == "$" && last > 0 {
		return fmt.Errorf("%s: a path does not begin with `$.`; write `%s`", s, formatPath(path[1:]))
	}
	for _, name := range path[:last] {
		if indexed.MatchString(name) {
			return fmt.Errorf("%s: arrays are entered without brackets; leave out `%s`", s, indexed.FindString(name))
		}
	}
	return nil
}

// PathText is a path for people to read: without the backslashes, which only ParsePath
// needs.
func PathText(s string) string {
	path, err := ParsePath(s)
	if err != nil {
		return s
	}
	return strings.Join(path, ".")
}

// formatPath is the reverse of ParsePath.
func formatPath(path []string) string {
	escape := strings.NewReplacer(`\`, `\\`, `.`, `\.`)
	names := make([]string, len(path))
	for i, name := range path {
		names[i] = escape.Replace(name)
	}
	return strings.Join(names, ".")
}

// foldPath is formatPath without regard to case.
func foldPath(path []string) string { return fold(formatPath(path)) }

// fold returns the same for names that are equal for strings.EqualFold.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
