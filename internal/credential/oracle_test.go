package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is a JSON value as encoding/json's Decoder sees it, with order,
// duplicates and places kept.
type node struct {
	kind       json.Delim // '{', '[' or 0
	raw        string     // of a scalar
	value      any        // of a scalar: string, json.Number, bool or nil
	names      []nameNode // of an object
	elements   []*node    // of an array, or values of an object
	start, end int
}

type nameNode struct {
	raw, text string
	start     int
}

// tree decodes a valid JSON text.
func tree(doc []byte) *node {
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	return decode(d, doc)
}

func decode(d *json.Decoder, doc []byte) *node {
	token, raw, start := next(d, doc)
	n := &node{start: start, raw: raw, value: token}
	if delim, ok := token.(json.Delim); ok {
		n.kind, n.raw, n.value = delim, "", nil
		for d.More() {
			if delim == '{' {
				name, raw, start := next(d, doc)
				n.names = append(n.names, nameNode{raw, name.(string), start})
			}
			n.elements = append(n.elements, decode(d, doc))
		}
		next(d, doc)
	}
	n.end = int(d.InputOffset())
	return n
}

func next(d *json.Decoder, doc []byte) (token json.Token, raw string, start int) {
	before := d.InputOffset()
	token, err := d.Token()
	if err != nil {
		panic(err)
	}
	raw = strings.TrimLeft(string(doc[before:d.InputOffset()]), " \t\r\n,:")
	return token, raw, int(d.InputOffset()) - len(raw)
}

// String writes all that matters to a reader.
func (n *node) String() string {
	var b strings.Builder
	switch n.kind {
	case '{':
		b.WriteByte('{')
		for i, name := range n.names {
			fmt.Fprintf(&b, "%s:%v,", name.raw, n.elements[i])
		}
	case '[':
		b.WriteByte('[')
		for _, e := range n.elements {
			fmt.Fprintf(&b, "%v,", e)
		}
	default:
		b.WriteString(n.raw)
	}
	return b.String()
}

// blank tells whether n counts as no credential.
func (n *node) blank() bool { return n.kind == 0 && (n.value == nil || n.value == "") }

var blankText = regexp.MustCompile(`^[\s\p{Z}\p{Cc}\p{Cf}]*$`)

// identifies tells whether n counts for a requirement.
func (n *node) identifies() bool {
	switch v := n.value.(type) {
	case string:
		return !blankText.MatchString(v)
	case json.Number:
		return true
	}
	return false
}

// expected is the result that JSON should have for a body.
type expected struct {
	syntax, duplicate, values, spelling bool // errors, any of which may come first
	found                               []string
	tree                                string // of the clean body
	clean                               string
	shape                               Shape
	rows                                int
	distinct                            [][]string
	missing                             []int
	unmet                               map[string]bool // possible answers
}

// expect is an independent and slow Finder.JSON for o.
func expect(o Options, body []byte, lines bool) *expected {
	e := &expected{distinct: make([][]string, len(o.Resources)), missing: make([]int, len(o.Resources)), unmet: map[string]bool{}}
	for i := range e.missing {
		e.missing[i] = -1
	}
	doc := bytes.TrimPrefix(body, []byte(bom))
	texts := [][]byte{doc}
	separator := separatorOf(doc)
	if lines {
		texts = bytes.Split(doc, []byte(separator))
	}
	e.clean = string(body[:len(body)-len(doc)])
	inner := map[string]int{} // rows by array
	for i, text := range texts {
		if i > 0 {
			e.clean += separator
		}
		e.texts(o, text, lines, inner)
	}
	if e.shape == ShapeNone {
		for i := range e.missing {
			e.missing[i] = 0
		}
		for i := range o.Require {
			e.unmet[fmt.Sprint(i, -1)] = true
		}
	}
	return e
}

// separatorOf returns the separator of the texts of a body that has many.
func separatorOf(doc []byte) string {
	if strings.HasPrefix(strings.TrimLeft(string(doc), " \t\r\n"), "\x1e") {
		return "\x1e"
	}
	return "\n"
}

// texts reads what is one text, or several if those of a body may be concatenated.
func (e *expected) texts(o Options, text []byte, lines bool, inner map[string]int) {
	if !o.Concatenated {
		e.text(o, text, lines, inner)
		return
	}
	for n := 0; ; n++ {
		d := json.NewDecoder(bytes.NewReader(text))
		var first json.RawMessage
		switch err := d.Decode(&first); {
		case errors.Is(err, io.EOF):
			e.clean += string(text)
			return
		case err != nil:
			e.syntax = true
			return
		}
		end := d.InputOffset()
		rest := text[end:]
		if len(rest) > 0 && !strings.ContainsAny(string(rest[0]), " \t\r\n") && !strings.ContainsAny(string(text[end-1]), `"]}`) {
			e.syntax = true // 12 is one text to all, and 1-2 to nobody but some
		}
		e.text(o, text[:end], lines || n > 0, inner)
		text = rest
	}
}

func (e *expected) text(o Options, text []byte, lines bool, inner map[string]int) {
	if strings.Trim(string(text), " \t\r\n") == "" {
		e.clean += string(text)
		return
	}
	if !json.Valid(text) || !utf8.Valid(text) {
		e.syntax = true
		return
	}
	n := tree(text)
	rows := []*node{n}
	if n.kind == '[' {
		rows = n.elements
	}
	switch {
	case lines:
		e.shape = ShapeLines
	case n.kind == '{':
		e.shape = ShapeObject
	case n.kind == '[':
		e.shape = ShapeArray
	default:
		e.shape = ShapeOther
	}
	gone := make([]bool, len(text))
	left := ""
	for _, row := range rows {
		e.row(o, row, inner)
		left += o.without(row, nil, text, gone).String() + ","
	}
	e.tree += fmt.Sprint(n.kind == '[', left)
	for i, c := range text {
		if !gone[i] {
			e.clean += string([]byte{c})
		}
	}
}

// path is that of a member, from a row of the body on.
type path []string

func pathOf(in, name string) path {
	names := func(text string) path { // with NUL for a dot that is part of a name
		return strings.Split(strings.ReplaceAll(text, `\.`, "\x00"), ".")
	}
	if in == "" {
		return names(name)
	}
	return append(names(in), names(name)...)
}

// target is a member that the options name.
type target struct {
	path
	kind     string // credential, removed, resource, field, array
	name     string // location, or index
	in       int    // how many names lead to the array around it
	spelled  bool   // must be written exactly
	resource int
}

func (o Options) targets() (all []target) {
	for _, r := range append(rowsOf(o.Body), o.BodyRows...) {
		all = append(all, target{path: pathOf(r.In, r.Name), kind: "credential", name: "body " + r.Name, in: depthOf(r.In)})
	}
	for _, r := range append(rowsOf(o.Remove.Body), o.Remove.BodyRows...) {
		all = append(all, target{path: pathOf(r.In, r.Name), kind: "removed", in: depthOf(r.In)})
	}
	for i, name := range o.Resources {
		all = append(all, target{path: pathOf("", name), kind: "resource", resource: i})
	}
	for _, r := range o.Require {
		for _, name := range r.Fields {
			all = append(all, target{path: pathOf(r.In, name), kind: "field", in: depthOf(r.In)})
		}
	}
	for _, in := range o.arrays() {
		exactly := slices.Contains(o.Batches, in) || slices.ContainsFunc(o.Require, func(r Requirement) bool { return r.In == in })
		all = append(all, target{path: pathOf("", in), kind: "array", spelled: exactly})
	}
	return all
}

func depthOf(in string) int {
	if in == "" {
		return 0
	}
	return len(pathOf("", in))
}

// arrays are the paths of the arrays whose elements are rows.
func (o Options) arrays() (paths []string) {
	paths = append(paths, o.Batches...)
	for _, r := range slices.Concat(o.BodyRows, o.Remove.BodyRows) {
		paths = append(paths, r.In)
	}
	for _, r := range o.Require {
		paths = append(paths, r.In)
	}
	return slices.DeleteFunc(paths, func(path string) bool { return path == "" })
}

// below returns the targets in the objects at a path.
func (o Options) below(at path) (targets []target) {
	for _, t := range o.targets() {
		if len(t.path) > len(at) && slices.EqualFunc(t.path[:len(at)], at, strings.EqualFold) {
			targets = append(targets, t)
		}
	}
	return targets
}

// isRows tells whether the elements of the array at a path are rows.
func (o Options) isRows(at path) bool {
	return slices.ContainsFunc(o.arrays(), func(in string) bool { return slices.EqualFunc(pathOf("", in), at, strings.EqualFold) })
}

// objects returns the objects in a value that are looked at, and whether that is all there
// is in it.
func (o Options) objects(at path, value *node) (objects []*node, all bool) {
	single := slices.ContainsFunc(o.below(at), func(t target) bool { return t.in != len(at) })
	switch {
	case value.kind == '{' && single:
		return []*node{value}, true
	case value.kind != '[':
		return nil, false
	}
	for _, element := range value.elements {
		if element.kind == '{' {
			objects = append(objects, element)
		}
	}
	return objects, len(objects) == len(value.elements) && len(objects) > 0
}

// named returns those of targets in the objects at a path whose next name is that.
func named(targets []target, at path, name string) (these []target) {
	for _, t := range targets {
		if strings.EqualFold(t.path[len(at)], name) {
			these = append(these, t)
		}
	}
	return these
}

// goes tells whether a member that is one of the targets is cut; found is its location.
func goes(targets []target, at path) (cut bool, found string) {
	for _, t := range targets {
		if len(t.path) == len(at)+1 && (t.kind == "credential" || t.kind == "removed") {
			return true, t.name
		}
	}
	return false, ""
}

// leadsOn tells whether the objects in a member that is one of the targets are looked at.
func leadsOn(targets []target, at path) bool {
	return slices.ContainsFunc(targets, func(t target) bool { return len(t.path) > len(at)+1 || t.kind == "array" })
}

// without returns what is left of an object, and marks the bytes that go.
func (o Options) without(n *node, at path, text []byte, gone []bool) *node {
	targets := o.below(at)
	if n.kind != '{' || len(targets) == 0 {
		return n
	}
	left := &node{kind: '{'}
	for i, name := range n.names {
		value := n.elements[i]
		these := named(targets, at, name.text)
		if cut, _ := goes(these, at); cut && !o.Keep {
			n.erase(i, len(left.names) > 0, text, gone)
			continue
		}
		if inner := append(slices.Clone(at), name.text); leadsOn(these, at) {
			value = o.withoutIn(value, inner, text, gone)
		}
		left.names, left.elements = append(left.names, name), append(left.elements, value)
	}
	return left
}

func (o Options) withoutIn(value *node, at path, text []byte, gone []bool) *node {
	objects, _ := o.objects(at, value)
	if value.kind != '[' {
		for _, object := range objects {
			return o.without(object, at, text, gone)
		}
		return value
	}
	left := &node{kind: '['}
	for _, element := range value.elements {
		left.elements = append(left.elements, o.without(element, at, text, gone))
	}
	return left
}

// erase marks the bytes of a member, and of one comma.
func (n *node) erase(i int, kept bool, text []byte, gone []bool) {
	start, end := n.names[i].start, n.elements[i].end
	for j := start; j < end; j++ {
		gone[j] = true
	}
	if kept {
		gone[bytes.LastIndexByte(text[:start], ',')] = true
	} else if rest := strings.TrimLeft(string(text[end:]), " \t\r\n"); rest[0] == ',' {
		gone[len(text)-len(rest)] = true
	}
}

// row checks a row of the body.
func (e *expected) row(o Options, row *node, inner map[string]int) {
	number := e.rows
	e.rows++
	e.object(o, row, nil, inner)
	for i, r := range o.Require {
		switch {
		case r.In == "" && !o.meets(row, nil, r):
			e.unmet[fmt.Sprint(i, number)] = true
		case r.In != "" && !o.have(row, nil, pathOf("", r.In), func(value *node) bool { return value.kind == '[' }):
			e.unmet[fmt.Sprint(i, -1)] = true
		}
	}
	for i, name := range o.Resources {
		if !o.have(row, nil, pathOf("", name), func(value *node) bool { return new(expected).resource(value) != "" }) && e.missing[i] < 0 {
			e.missing[i] = number
		}
	}
}

// object checks an object in which something is looked for, and what is in it.
func (e *expected) object(o Options, object *node, at path, inner map[string]int) {
	targets := o.below(at)
	isCut := func(t target) bool { return t.kind == "credential" || t.kind == "removed" }
	exact := len(at) == 0 || slices.ContainsFunc(targets, isCut)
	seen := map[string]bool{}
	for i, name := range object.names {
		if exact && (loneSurrogate(name.raw) || strings.ContainsRune(name.text, 0)) {
			e.syntax = true
		}
		these, value := named(targets, at, name.text), object.elements[i]
		cut, location := goes(these, at)
		if !cut && misspelt(spelled(these, at), name.text) {
			e.spelling = true
		}
		if location != "" {
			e.credential(location, value)
		}
		for _, t := range these {
			if t.kind == "resource" && len(t.path) == len(at)+1 {
				e.value(t.resource, e.resource(value))
			}
		}
		if location != "" || leadsOn(these, at) || slices.ContainsFunc(these, func(t target) bool { return t.kind == "resource" }) {
			name := these[0].path[len(at)]
			e.duplicate = e.duplicate || seen[strings.ToLower(name)]
			seen[strings.ToLower(name)] = true
		}
		if leadsOn(these, at) {
			e.in(o, value, append(slices.Clone(at), these[0].path[len(at)]), inner)
		}
	}
}

// in checks the objects in a member.
func (e *expected) in(o Options, value *node, at path, inner map[string]int) {
	objects, _ := o.objects(at, value)
	for _, object := range objects {
		e.object(o, object, at, inner)
	}
	if value.kind != '[' || !o.isRows(at) {
		return
	}
	in := strings.ToLower(strings.Join(at, "."))
	for _, row := range value.elements {
		for i, r := range o.Require {
			if strings.EqualFold(r.In, in) && !o.meets(row, at, r) {
				e.unmet[fmt.Sprint(i, inner[in])] = true
			}
		}
		inner[in]++
	}
}

// spelled are the names that must be written exactly, of targets in the objects at a path.
func spelled(targets []target, at path) (names []string) {
	for _, t := range targets {
		if t.kind == "resource" || t.kind == "field" || t.kind == "array" && t.spelled {
			names = append(names, t.path[len(at)])
		}
	}
	return names
}

// misspelt tells whether name differs from one of names in case only.
func misspelt(names []string, name string) bool {
	return matching(names, name) != "" && !slices.Contains(names, name)
}

// matching returns the entry of list that name is, or "".
func matching(list []string, name string) string {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return s
		}
	}
	return ""
}

// meets tells whether the row of an array at a path, or of the body, has what it must.
func (o Options) meets(row *node, at path, r Requirement) bool {
	all := true
	for _, field := range r.Fields {
		full := append(slices.Clone(at), pathOf("", field)...)
		has := o.have(row, at, full, func(value *node) bool {
			return value.identifies() || value.kind == '[' && len(value.elements) > 0 && o.isRows(full)
		})
		if has && r.Any {
			return true
		}
		all = all && has
	}
	return all && !r.Any
}

// have tells whether an object has a member of which something is so. Where there are
// several the last one counts.
func (o Options) have(object *node, at, full path, is func(value *node) bool) bool {
	has := false
	these := named(o.below(at), at, full[len(at)])
	cut, _ := goes(these, at)
	for i, name := range object.names {
		value := object.elements[i]
		if (!cut || !strings.EqualFold(name.text, full[len(at)])) && (name.text != full[len(at)] || loneSurrogate(name.raw)) {
			continue
		}
		if len(full) == len(at)+1 {
			has = is(value)
			continue
		}
		next := full[:len(at)+1]
		objects, all := o.objects(next, value)
		has = all && !slices.ContainsFunc(objects, func(inner *node) bool { return !o.have(inner, next, full, is) })
	}
	return has
}

// credential adds to found what Set should store.
func (e *expected) credential(location string, value *node) {
	key, isString := value.value.(string)
	switch {
	case value.blank():
		return
	case isString && loneSurrogate(value.raw):
		e.syntax = true
		return
	case !isString, len(key) > MaxKey:
		e.store(location, location+"!")
	default:
		e.store(location, location+"="+key)
	}
}

func (e *expected) store(location, found string) {
	n := 0
	for _, f := range e.found {
		if f == found {
			return
		}
		if strings.HasPrefix(f, location+"!") || strings.HasPrefix(f, location+"=") {
			n++
		}
	}
	if n < 2 {
		e.found = append(e.found, found)
	}
}

// resource returns the value of a resource, or "".
func (e *expected) resource(value *node) string {
	if loneSurrogate(value.raw) {
		e.syntax = true
	}
	text := ""
	switch v := value.value.(type) {
	case string:
		text = v
	case json.Number:
		text = v.String()
	}
	if len(text) > MaxKey {
		return ""
	}
	return text
}

// value notes a value of a resource.
func (e *expected) value(i int, v string) {
	if v == "" || slices.Contains(e.distinct[i], v) {
		return
	}
	e.distinct[i] = append(e.distinct[i], v)
	e.values = e.values || len(e.distinct[i]) > MaxValues
}

var escapes = regexp.MustCompile(`\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\.`)

// loneSurrogate tells whether a string literal has an escaped surrogate without
// its partner.
func loneSurrogate(raw string) bool {
	if !strings.HasPrefix(raw, `"`) {
		return false
	}
	for _, e := range escapes.FindAllString(raw, -1) {
		if len(e) == 6 {
			if r, _ := strconv.ParseUint(e[2:], 16, 32); 0xd800 <= r && r < 0xe000 {
				return true
			}
		}
	}
	return false
}
