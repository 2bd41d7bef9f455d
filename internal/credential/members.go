package credential

import (
	"errors"
	"fmt"
	"slices"
)

// level is what to look for in the rows of one place of a JSON body: of the
// body itself, or of an array that a Requirement names.
type level struct {
	names     names
	members   []member // by index of name
	needs     []need
	arrays    uint64 // members whose elements are rows of another level
	resources uint64 // members that are resources
	spelled   uint64 // members whose names must not differ in case
	once      uint64 // members that may be there once: credentials, resources, named arrays
	exact     bool   // no name may be such that readers differ in it
}

// member is a JSON member to look at.
type member struct {
	location string // of a credential; "" if it is none
	remove   bool   // is cut unread
	resource int    // index in Options.Resources, or -1
	rows     int    // level of the elements of its array; 0 if they are no rows
}

// need is a Requirement with its fields as a mask of members.
type need struct {
	index  int // in Options.Require
	any    bool
	fields uint64
}

func (n need) met(have uint64) bool {
	if n.any {
		return have&n.fields != 0
	}
	return have&n.fields == n.fields
}

// addMembers compiles Body, BodyRows, Remove, Resources, Require and Batches.
func (f *Finder) addMembers(o Options) error {
	f.levels = []level{{exact: true}}
	top := &f.levels[0]
	for _, name := range o.Body {
		if err := top.add(name, member{location: "body " + name, resource: -1}); err != nil {
			return fmt.Errorf("reading credential body: %w", err)
		}
	}
	for i, name := range o.Resources {
		if err := top.add(name, member{resource: i}); err != nil {
			return fmt.Errorf("reading resources: %w", err)
		}
		top.resources |= 1 << (len(top.members) - 1)
	}
	top.spelled = top.resources
	top.once = 1<<len(top.members) - 1
	for _, name := range o.Remove.Body {
		if err := top.add(name, member{remove: true, resource: -1}); err != nil {
			return fmt.Errorf("reading what to remove from the body: %w", err)
		}
	}
	if err := f.addArrays(o); err != nil {
		return err
	}
	for _, r := range o.BodyRows {
		if err := f.addBodyRow(r, false); err != nil {
			return fmt.Errorf("reading credential body in %s: %w", r.In, err)
		}
	}
	for _, r := range o.Remove.BodyRows {
		if err := f.addBodyRow(r, true); err != nil {
			return fmt.Errorf("reading what to remove from the body in %s: %w", r.In, err)
		}
	}
	for i, r := range o.Require {
		if err := f.addRequirement(i, r); err != nil {
			return fmt.Errorf("reading requirement %d: %w", i+1, err)
		}
	}
	for _, name := range o.Batches {
		f.batches = append(f.batches, f.rowsIn(name))
	}
	return nil
}

// addArrays makes the named arrays known before the fields of requirements are,
// which may be the same members.
func (f *Finder) addArrays(o Options) error {
	counted := slices.Clone(o.Batches)
	for _, r := range o.Require {
		counted = append(counted, r.In)
	}
	for _, name := range counted {
		if err := f.addArray(name, true); err != nil {
			return fmt.Errorf("reading arrays of rows: %w", err)
		}
	}
	for _, r := range slices.Concat(o.BodyRows, o.Remove.BodyRows) {
		if err := f.addArray(r.In, false); err != nil {
			return fmt.Errorf("reading arrays of rows: %w", err)
		}
	}
	return nil
}

func (f *Finder) addBodyRow(r BodyRow, remove bool) error {
	if r.In == "" {
		return errors.New("the array has no name: give one")
	}
	l := &f.levels[f.rowsIn(r.In)]
	l.exact = true
	if remove {
		return l.add(r.Name, member{remove: true, resource: -1})
	}
	l.once |= 1 << len(l.members)
	return l.add(r.Name, member{location: "body " + r.Name, resource: -1})
}

func (f *Finder) addRequirement(index int, r Requirement) error {
	if len(r.Fields) == 0 {
		return errors.New("it has no fields: name at least one")
	}
	n := need{index: index, any: r.Any}
	l := &f.levels[f.rowsIn(r.In)]
	for _, field := range r.Fields {
		i, err := l.field(field)
		if err != nil {
			return err
		}
		if n.fields&(1<<i) != 0 {
			return fmt.Errorf("name %q is given twice: remove one", field)
		}
		n.fields |= 1 << i
	}
	l.needs = append(l.needs, n)
	return nil
}

// addArray makes a level of the elements of the array named in. It may be there
// once: readers differ in which of two they take. Its name may differ in case
// unless it is spelled.
func (f *Finder) addArray(in string, spelled bool) error {
	if in == "" {
		return nil
	}
	top := &f.levels[0]
	i := top.names.find(in)
	switch {
	case i < 0:
		i = len(top.members)
		if err := top.add(in, member{resource: -1}); err != nil {
			return err
		}
	case top.members[i].location != "" || top.members[i].remove || top.members[i].resource >= 0:
		return fmt.Errorf("%q is a credential, a resource, or removed, and so cannot be the array of rows: use another name", in)
	case spelled && !top.names.is(i, []byte(in)):
		return errSpellings(in, top.names.list[i])
	}
	if spelled {
		top.spelled |= 1 << i
	}
	if top.members[i].rows == 0 {
		top.members[i].rows = len(f.levels)
		top.arrays |= 1 << i
		top.once |= 1 << i
		f.levels = append(f.levels, level{})
	}
	return nil
}

func errSpellings(name string, other []byte) error {
	return fmt.Errorf("%q is spelled %q elsewhere, and bodies must spell it in one way: spell both the same", name, other)
}

// rowsIn returns the level of the elements of an array that addArray made known,
// or of the body.
func (f *Finder) rowsIn(in string) int {
	if in == "" {
		return 0
	}
	return f.levels[0].members[f.levels[0].names.find(in)].rows
}

func (l *level) add(name string, m member) error {
	if err := l.names.add(name); err != nil {
		return err
	}
	l.members = append(l.members, m)
	return nil
}

// field returns the index of the member that a requirement names: that of a
// credential or of what is removed, which may differ in case, of a resource, of an
// array, or one of its own. Fields may differ in case only, for clients that do.
func (l *level) field(name string) (int, error) {
	if i := l.names.find(name); i >= 0 {
		switch {
		case l.members[i].location != "" || l.members[i].remove || l.names.is(i, []byte(name)):
			return i, nil
		case l.members[i].resource >= 0 || l.members[i].rows > 0:
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
