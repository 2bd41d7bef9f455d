package credential

import (
	"fmt"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// pathPattern is a pattern of paths with a credential.
type pathPattern struct {
	pattern  config.Pattern
	location string // unread for what is only removed
	segment  int    // that is the credential
}

// addPaths compiles Paths and those of Remove.
func (f *Finder) addPaths(o Options) error {
	for i, text := range slices.Concat(o.Paths, o.Remove.Paths) {
		pattern, err := config.ParsePattern(text)
		if err != nil {
			return err
		}
		p := pathPattern{pattern: pattern, location: "path " + text, segment: pattern.Index(config.KeySegment)}
		if i >= len(o.Paths) {
			p.location = unread
		}
		if p.segment < 0 {
			return fmt.Errorf("the path pattern %s has no segment {%s}: name one", text, config.KeySegment)
		}
		f.paths = append(f.paths, p)
	}
	return nil
}

// Segment is a segment of a path that is a credential, or is only removed.
type Segment struct {
	Index  int  // 0 for the first
	Remove bool // it is no credential
}

// LooksAtPath tells whether Path has anything to find.
func (f *Finder) LooksAtPath() bool { return len(f.paths) > 0 }

// Path finds the credentials in a path, and returns the segments that they are, in
// ascending order. The path is decoded and means the same to all readers.
func (f *Finder) Path(path string, s *Set) (found []Segment) {
	for i := range f.paths {
		p := &f.paths[i]
		key, ok := p.pattern.Find(path, config.KeySegment)
		if !ok || !s.addString(p.location, key) {
			continue
		}
		found = append(found, Segment{p.segment, p.location == unread})
	}
	slices.SortFunc(found, func(a, b Segment) int { return a.Index - b.Index })
	return slices.CompactFunc(found, func(a, b Segment) bool { return a.Index == b.Index })
}
