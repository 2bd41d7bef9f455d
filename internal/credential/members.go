package credential

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// level is what to look for in the objects at one place of a JSON body: in the rows of
// the body (level 0), or in the objects of a member, which is an object or an array of
// objects. Levels form a tree, made from the configured paths.
type level struct {
	names   names
	members []member // by index of name
	spelled uint64   // members whose names must not differ in case
	once    uint64   // members that may be there only once: credentials, resources, and those that lead to a level
	exact   bool     // names that readers understand differently are refused
	single  bool     // an object in the member counts, and not just the elements of an array
	within  uint64   // resources that are looked for here or below

	rows  uint64 // mark of the array, if its elements are rows
	needs []need // what rows must have
}

// member is a JSON member to look at.
type member struct {
	location string // of a credential; "" if it is not one
	remove   bool   // is cut unread
	resource int    // index in Options.Resources, or -1
	field    uint64 // mark of a field of a requirement; 0 if it is not one
	level    int    // of the objects in it; 0 if they do not matter
}

// cuts reports whether the member is cut.
func (m *member) cuts() bool { return m.location != "" || m.remove }

// marks say what an object has of the things to look for, in it and below it. An array
// has what all its elements have.
type marks struct {
	fields uint64 // of requirements, that identify something
	values uint64 // resources
	arrays uint64 // arrays of rows
}

func (m *marks) add(other marks) {
	m.fields |= other.fields
	m.values |= other.values
	m.arrays |= other.arrays
}

func (m *marks) keep(other marks) {
	m.fields &= other.fields
	m.values &= other.values
	m.arrays &= other.arrays
}

// need is a Requirement.
type need struct {
	index  int // in Options.Require
	any    bool
	fields uint64
}

func (n need) met(fields uint64) bool {
	if n.any {
		return fields&n.fields != 0
	}
	return fields&n.fields == n.fields
}

// addMembers compiles Body, BodyRows, Remove, Resources, Require and Batches. Names that
// must be spelled exactly come first, so that other settings may spell them differently.
func (f *Finder) addMembers(o Options) error {
	f.levels = []level{{exact: true, single: true}}
	if err := f.addResources(o.Resources); err != nil {
		return fmt.Errorf("reading resources: %w", err)
	}
	if err := f.addArrays(o); err != nil {
		return fmt.Errorf("reading arrays of rows: %w", err)
	}
	for _, r := range append(rowsOf(o.Body), o.BodyRows...) {
		if err := f.addCut(r, member{location: "body " + r.Name, resource: -1}); err != nil {
			return fmt.Errorf("reading credential body: %w", err)
		}
	}
	for _, r := range append(rowsOf(o.Remove.Body), o.Remove.BodyRows...) {
		if err := f.addCut(r, member{remove: true, resource: -1}); err != nil {
			return fmt.Errorf("reading what to remove from the body: %w", err)
		}
	}
	for i, r := range o.Require {
		if err := f.addRequirement(i, r); err != nil {
			return fmt.Errorf("reading requirement %d: %w", i+1, err)
		}
	}
	return nil
}

// rowsOf turns members of the body into members of an array without a name.
func rowsOf(members []string) (rows []BodyRow) {
	for _, name := range members {
		rows = append(rows, BodyRow{Name: name})
	}
	return rows
}

func (f *Finder) addResources(paths []string) error {
	if len(paths) > maxNames {
		return fmt.Errorf("more than %d: remove some", maxNames)
	}
	for i, path := range paths {
		parent, name, err := f.parent("", path, true)
		if err != nil {
			return err
		}
		l := &f.levels[parent]
		if err := l.add(name, member{resource: i}); err != nil {
			return err
		}
		last := uint64(1) << (len(l.members) - 1)
		l.spelled |= last
		l.once |= last
		f.eachOn(path, func(l *level) { l.within |= 1 << i })
	}
	return nil
}

// addArrays makes levels for the arrays whose elements are counted or must have fields,
// and for the members around those fields.
func (f *Finder) addArrays(o Options) error {
	for _, path := range o.Batches {
		level, err := f.array(path, true)
		if err != nil {
			return err
		}
		f.batches = append(f.batches, level)
	}
	for _, r := range o.Require {
		for _, field := range r.Fields {
			if _, _, err := f.parent(r.In, field, true); err != nil {
				return err
			}
		}
	}
	return nil
}

// addCut adds a member that is cut.
func (f *Finder) addCut(r BodyRow, m member) error {
	parent, name, err := f.parent(r.In, r.Name, false)
	if err != nil {
		return err
	}
	f.eachOn(join(r.In, r.Name), func(l *level) { l.exact = true })
	l := &f.levels[parent]
	if !m.remove {
		l.once |= 1 << len(l.members)
	}
	return l.add(name, m)
}

func (f *Finder) addRequirement(index int, r Requirement) error {
	if len(r.Fields) == 0 {
		return errors.New("it has no fields: name at least one")
	}
	n := need{index: index, any: r.Any}
	for _, path := range r.Fields {
		parent, name, err := f.parent(r.In, path, true)
		if err != nil {
			return err
		}
		i, err := f.levels[parent].field(name)
		if err != nil {
			return err
		}
		m := &f.levels[parent].members[i]
		if m.field == 0 {
			if m.field = 1 << f.fields; m.field == 0 {
				return fmt.Errorf("more than %d names: remove some", maxNames)
			}
			f.fields++
		}
		if n.fields&m.field != 0 {
			return fmt.Errorf("name %q is given twice: remove one", path)
		}
		n.fields |= m.field
	}
	rows, err := f.array(r.In, true)
	f.levels[rows].needs = append(f.levels[rows].needs, n)
	return err
}

// array returns the level of the elements of an array of rows, or of the body.
func (f *Finder) array(path string, spelled bool) (int, error) {
	if path == "" {
		return 0, nil
	}
	parent, name, err := f.parent("", path, spelled)
	if err != nil {
		return 0, err
	}
	i, err := f.into(parent, name, spelled)
	if l := &f.levels[i]; err == nil && l.rows == 0 {
		if l.rows = 1 << len(f.arrays); l.rows == 0 {
			return 0, fmt.Errorf("more than %d arrays: remove some", maxNames)
		}
		f.arrays = append(f.arrays, i)
	}
	return i, err
}

// parent returns the level that has the last name of a path, and that name. The path
// begins at the rows of the array `in`, or of the body.
func (f *Finder) parent(in, path string, spelled bool) (level int, name string, err error) {
	if in != "" {
		if level, err = f.array(in, spelled); err != nil {
			return 0, "", err
		}
	}
	names, err := config.ParsePath(path)
	if err != nil {
		return 0, "", err
	}
	last := len(names) - 1
	for _, name := range names[:last] {
		if level, err = f.into(level, name, spelled); err != nil {
			return 0, "", err
		}
		f.levels[level].single = true
	}
	return level, names[last], nil
}

// into returns the level of the objects in a member, and makes the parser look into the
// member. The member may be there only once, because readers differ in which of two they
// use. Its name may have other upper and lower case unless spelled is set.
func (f *Finder) into(parent int, name string, spelled bool) (int, error) {
	l := &f.levels[parent]
	i := l.names.find(name)
	switch {
	case i < 0:
		i = len(l.members)
		if err := l.add(name, member{resource: -1}); err != nil {
			return 0, err
		}
	case l.members[i].cuts() || l.members[i].resource >= 0:
		return 0, fmt.Errorf("%q is a credential, a resource, or removed, and so cannot be the array of rows, nor hold other members that matter: use another name", name)
	case spelled && !l.names.is(i, []byte(name)):
		return 0, errSpellings(name, l.names.list[i])
	}
	if spelled {
		l.spelled |= 1 << i
	}
	l.once |= 1 << i
	if l.members[i].level == 0 {
		l.members[i].level = len(f.levels)
		f.levels = append(f.levels, level{})
	}
	return f.levels[parent].members[i].level, nil
}

// eachOn calls do for all levels on the way to a member, starting with the rows of the
// body.
func (f *Finder) eachOn(path string, do func(l *level)) {
	names, _ := config.ParsePath(path)
	level := 0
	for _, name := range names {
		l := &f.levels[level]
		do(l)
		if i := l.names.find(name); i >= 0 {
			level = l.members[i].level
		}
	}
}

// join is the path of a member in the elements of the array `in`.
func join(in, name string) string {
	if in == "" {
		return name
	}
	return in + "." + name
}

func errSpellings(name string, other []byte) error {
	return fmt.Errorf("%q is spelled %q elsewhere, and bodies must spell it in one way: spell both the same", name, other)
}

func (l *level) add(name string, m member) error {
	if err := l.names.add(name); err != nil {
		return err
	}
	l.members = append(l.members, m)
	return nil
}

// field returns the index of the member that a requirement names. It may already be
// there: as a credential or a removed member (with any case), a resource, or a member to
// look into. Else it is added. Fields may differ only in case, because some clients mix
// them.
func (l *level) field(name string) (int, error) {
	if i := l.names.find(name); i >= 0 {
		switch m := &l.members[i]; {
		case m.cuts() || l.names.is(i, []byte(name)):
			return i, nil
		case m.resource >= 0 || m.level > 0:
			return 0, errSpellings(name, l.names.list[i])
		}
	}
	if err := l.names.addSpelling(name); err != nil {
		return 0, err
	}
	l.spelled |= 1 << len(l.members)
	l.members = append(l.members, member{resource: -1})
	return len(l.members) - 1, nil
}

// lowest returns the index of the lowest mark, and the other marks.
func lowest(mask uint64) (index int, rest uint64) {
	return bits.TrailingZeros64(mask), mask & (mask - 1)
}
