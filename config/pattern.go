package config

import (
	"fmt"
	"slices"
	"strings"
)

// Pattern is a path pattern with named segments, such as
// "/v1/project/{project}/datasource/{datasource}/*". A segment in braces matches
// any one segment; "/*" at the end matches everything below, and the path that
// ends right before it. Everything else matches only itself, with the same case.
type Pattern struct {
	segments []string // "{name}" for a named segment
	open     bool     // ends in "/*"
}

// ParsePattern reads a path pattern.
func ParsePattern(s string) (Pattern, error) {
	rest, open := strings.CutSuffix(s, "/*")
	if !strings.HasPrefix(s, "/") {
		return Pattern{}, fmt.Errorf("path pattern %q: must start with a slash", s)
	}
	p := Pattern{open: open}
	if rest != "" {
		p.segments = strings.Split(rest[1:], "/")
	}
	seen := make(map[string]bool)
	for _, seg := range p.segments {
		if err := checkSegment(seg, seen); err != nil {
			return Pattern{}, fmt.Errorf("path pattern %q: %w", s, err)
		}
	}
	return p, nil
}

func checkSegment(seg string, seen map[string]bool) error {
	name, named := segmentName(seg)
	switch {
	case seg == "" || seg == "." || seg == "..":
		return fmt.Errorf("empty and dot segments never match")
	case named && (name == "" || strings.ContainsAny(name, "{}*")):
		return fmt.Errorf("%q is not a name in braces, such as {project}", seg)
	case !named && strings.ContainsAny(seg, "{}*"):
		return fmt.Errorf("braces must be around a whole segment, and * only at the end, as in /project/{project}/*; a name in braces matches any segment")
	case strings.ContainsAny(seg, "%;\\?#"):
		return fmt.Errorf("segment %q: is compared with the decoded path, which never holds any of %% ; \\ ? #", seg)
	case named && seen[name]:
		return fmt.Errorf("{%s} is given twice", name)
	}
	seen[name] = named
	return nil
}

func segmentName(seg string) (string, bool) {
	if strings.HasPrefix(seg, "{") && strings.HasSuffix(seg, "}") {
		return seg[1 : len(seg)-1], true
	}
	return seg, false
}

// Has reports whether the pattern has a segment of that name.
func (p Pattern) Has(name string) bool { return p.Index(name) >= 0 }

// Index returns which segment is called name, -1 if none is. It is the same in all paths
// that match.
func (p Pattern) Index(name string) int { return slices.Index(p.segments, "{"+name+"}") }

// Segments returns the segments, of which some are names in braces.
func (p Pattern) Segments() []string { return p.segments }

// Value returns the segment of path that matches {name}. The path must be decoded and
// without dot segments; ok is false if it does not match. It does not allocate.
func (p Pattern) Value(path, name string) (value string, ok bool) {
	value, rest, ok := p.match(path, name, exactly)
	return value, ok && (rest == "" || p.open && rest[0] == '/')
}

// Find is Value for what must not be missed: case does not matter, nor does a slash at the
// end, as for many backends.
func (p Pattern) Find(path, name string) (value string, ok bool) {
	value, rest, ok := p.match(path, name, strings.EqualFold)
	return value, ok && (rest == "" || rest == "/" || p.open && rest[0] == '/')
}

func exactly(a, b string) bool { return a == b }

// match compares the segments of the pattern with those that path begins with, and returns
// the rest of it.
func (p Pattern) match(path, name string, same func(a, b string) bool) (value, rest string, ok bool) {
	for _, seg := range p.segments {
		if path == "" || path[0] != '/' {
			return "", "", false
		}
		part := path[1:]
		if i := strings.IndexByte(part, '/'); i >= 0 {
			part = part[:i]
		}
		path = path[1+len(part):]
		n, named := segmentName(seg)
		if !named && !same(seg, part) || part == "" {
			return "", "", false
		}
		if named && n == name {
			value = part
		}
	}
	return value, path, true
}
