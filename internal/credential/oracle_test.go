package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// blank tells whether n stands for no credential.
func (n *node) blank() bool { return n.kind == 0 && (n.value == nil || n.value == "") }

var blankText = regexp.MustCompile(`^[\s\p{Z}\p{Cc}\p{Cf}]*$`)

// identifies tells whether a requirement takes n for an identifier.
func (n *node) identifies() bool {
	switch v := n.value.(type) {
	case string:
		return !blankText.MatchString(v)
	case json.Number:
		return true
	}
	return false
}

// without returns n without the members that cut takes.
func (n *node) without(cut func(name string) bool) *node {
	if n.kind != '{' {
		return n
	}
	left := &node{kind: '{'}
	for i, name := range n.names {
		if !cut(name.text) {
			left.names, left.elements = append(left.names, name), append(left.elements, n.elements[i])
		}
	}
	return left
}

// expected is what JSON should make of a body.
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
	inner := map[string]int{}
	for i, text := range texts {
		if i > 0 {
			e.clean += separator
		}
		e.text(o, text, lines, inner)
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

// separatorOf returns what stands between the texts of a body that has many.
func separatorOf(doc []byte) string {
	if strings.HasPrefix(strings.TrimLeft(string(doc), " \t\r\n"), "\x1e") {
		return "\x1e"
	}
	return "\n"
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
		row.erase(text, gone, o.cuts)
		o.eachInner(row, func(inner *node, cuts func(string) bool) { inner.erase(text, gone, cuts) })
		left += o.pruned(row).String() + ","
	}
	e.tree += fmt.Sprint(n.kind == '[', left)
	for i, c := range text {
		if !gone[i] {
			e.clean += string([]byte{c})
		}
	}
}

// eachInner calls do for the objects in arrays that may have something to cut in
// their elements.
func (o Options) eachInner(row *node, do func(inner *node, cuts func(name string) bool)) {
	for i, name := range row.names {
		var names []string
		for _, r := range slices.Concat(o.BodyRows, o.Remove.BodyRows) {
			if strings.EqualFold(r.In, name.text) {
				names = append(names, r.Name)
			}
		}
		if len(names) == 0 || row.elements[i].kind != '[' {
			continue
		}
		for _, inner := range row.elements[i].elements {
			do(inner, func(name string) bool { return !o.Keep && matching(names, name) != "" })
		}
	}
}

// pruned returns the row without its credentials.
func (o Options) pruned(row *node) *node {
	left := *row.without(o.cuts)
	left.elements = slices.Clone(left.elements)
	o.eachInner(&left, func(inner *node, cuts func(string) bool) { *inner = *inner.without(cuts) })
	return &left
}

// exact are the names that must be written exactly in the elements of an array, or
// in the rows of the body.
func (o Options) exact(in string) (names []string) {
	if in == "" {
		names = slices.Concat(o.Resources, o.Batches)
	}
	for _, r := range o.Require {
		if r.In == in {
			names = append(names, r.Fields...)
		}
		if in == "" && r.In != "" {
			names = append(names, r.In)
		}
	}
	return names
}

// misspelt tells whether name differs from one of names in case only.
func misspelt(names []string, name string) bool {
	return matching(names, name) != "" && !slices.Contains(names, name)
}

// arrays are the names of the arrays whose elements are looked at.
func (o Options) arrays() (names []string) {
	names = append(names, o.Batches...)
	for _, r := range slices.Concat(o.BodyRows, o.Remove.BodyRows) {
		names = append(names, r.In)
	}
	for _, r := range o.Require {
		names = append(names, r.In)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

func (o Options) cuts(name string) bool {
	return !o.Keep && (o.credential(name) != "" || matching(o.Remove.Body, name) != "")
}

func (o Options) credential(name string) string { return matching(o.Body, name) }

// matching returns the entry of list that name is, or "".
func matching(list []string, name string) string {
	for _, s := range list {
		if strings.EqualFold(s, name) {
			return s
		}
	}
	return ""
}

// erase marks the bytes of the members that cut takes, and of one comma each.
func (n *node) erase(text []byte, gone []bool, cut func(string) bool) {
	kept := false
	for i, name := range n.names {
		if !cut(name.text) {
			kept = true
			continue
		}
		end := n.elements[i].end
		for j := name.start; j < end; j++ {
			gone[j] = true
		}
		if kept {
			gone[bytes.LastIndexByte(text[:name.start], ',')] = true
		} else if rest := strings.TrimLeft(string(text[end:]), " \t\r\n"); rest[0] == ',' {
			gone[len(text)-len(rest)] = true
		}
	}
}

func (e *expected) row(o Options, row *node, inner map[string]int) {
	number := e.rows
	e.rows++
	seen := map[string]bool{}
	values := make([]string, len(o.Resources))
	arrays := map[string]*node{}
	for i, name := range row.names {
		if loneSurrogate(name.raw) || strings.ContainsRune(name.text, 0) {
			e.syntax = true
		}
		value := row.elements[i]
		e.spelling = e.spelling || matching(slices.Concat(o.Body, o.Remove.Body), name.text) == "" && misspelt(o.exact(""), name.text)
		once := o.credential(name.text)
		if in := matching(o.arrays(), name.text); in != "" && once == "" {
			once = "array " + in
		}
		for j, resource := range o.Resources {
			if strings.EqualFold(resource, name.text) {
				once, values[j] = "resource "+resource, e.resource(value)
			}
		}
		if once != "" && seen[once] {
			e.duplicate = true
		}
		seen[once] = true
		if c := o.credential(name.text); c != "" {
			e.credential("body "+c, value)
		}
		arrays[matching(o.arrays(), name.text)] = value
		e.innerCredentials(o, &node{kind: '{', names: row.names[i : i+1], elements: row.elements[i : i+1]})
		if in := matching(o.arrays(), name.text); in != "" && value.kind == '[' {
			e.inner(o, in, value, inner)
		}
	}
	for i, v := range values {
		e.value(i, v, number)
	}
	for i, r := range o.Require {
		if r.In == "" && !row.meets(o, r) {
			e.unmet[fmt.Sprint(i, number)] = true
		}
		if a := arrays[r.In]; r.In != "" && (a == nil || a.kind != '[') {
			e.unmet[fmt.Sprint(i, -1)] = true
		}
	}
}

// innerCredentials finds the credentials in the elements of an array.
func (e *expected) innerCredentials(o Options, row *node) {
	o.Keep = false
	o.eachInner(row, func(inner *node, isCut func(string) bool) {
		seen := map[string]bool{}
		for i, name := range inner.names {
			if loneSurrogate(name.raw) || strings.ContainsRune(name.text, 0) {
				e.syntax = true
			}
			if !isCut(name.text) {
				continue
			}
			for _, r := range o.BodyRows {
				if strings.EqualFold(r.Name, name.text) {
					e.duplicate = e.duplicate || seen[r.Name]
					seen[r.Name] = true
					e.credential("body "+r.Name, inner.elements[i])
				}
			}
		}
	})
}

// inner counts and checks the rows in an array member.
func (e *expected) inner(o Options, in string, array *node, inner map[string]int) {
	for _, row := range array.elements {
		for _, name := range row.names {
			e.spelling = e.spelling || misspelt(o.exact(in), name.text)
		}
		for i, r := range o.Require {
			if r.In == in && !row.meets(Options{}, r) {
				e.unmet[fmt.Sprint(i, inner[in])] = true
			}
		}
		inner[in]++
	}
}

func (n *node) meets(o Options, r Requirement) bool {
	all := true
	for _, field := range r.Fields {
		has := false
		for i, name := range n.names {
			credential := matching(slices.Concat(o.Body, o.Remove.Body), field) != "" && strings.EqualFold(field, name.text)
			if credential || name.text == field && !loneSurrogate(name.raw) {
				array := n.elements[i].kind == '[' && matching(o.arrays(), field) != ""
				has = n.elements[i].identifies() || array && len(n.elements[i].elements) > 0
			}
		}
		if has && r.Any {
			return true
		}
		all = all && has
	}
	return all && !r.Any
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

func (e *expected) value(i int, v string, row int) {
	if v == "" {
		if e.missing[i] < 0 {
			e.missing[i] = row
		}
		return
	}
	if slices.Contains(e.distinct[i], v) {
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
