package credential

import (
	"fmt"
	"strings"
	"testing"
)

func TestShape(t *testing.T) {
	for _, c := range []struct {
		body  string
		lines bool
		shape Shape
		items int
	}{
		{"", false, ShapeNone, 0},
		{" \n", false, ShapeNone, 0},
		{bom, false, ShapeNone, 0},
		{"{}", false, ShapeObject, 1},
		{bom + `{"a":[1,2]}`, false, ShapeObject, 1},
		{"[]", false, ShapeArray, 0},
		{`[{},1,[],"a"]`, false, ShapeArray, 4},
		{"null", false, ShapeOther, 1},
		{`"a"`, false, ShapeOther, 1},
		{"", true, ShapeNone, 0},
		{"\r\n \n", true, ShapeNone, 0},
		{"{}", true, ShapeLines, 1},
		{"\n[1,2]\n\n{}\n3\n", true, ShapeLines, 3},
	} {
		var s Set
		if _, err := newFinder(t, Options{}).JSON([]byte(c.body), c.lines, &s); err != nil {
			t.Error(err)
		}
		if s.Shape() != c.shape || s.Items() != c.items {
			t.Errorf("%q, lines %t: got shape %d, %d items", c.body, c.lines, s.Shape(), s.Items())
		}
	}
	var s Set
	if s.Shape() != ShapeNone || s.Items() != 0 {
		t.Error("a body that nobody read has a shape")
	}
}

func TestRequire(t *testing.T) {
	one := []Requirement{{Fields: []string{"id"}}}
	anyOf := []Requirement{{Any: true, Fields: []string{"userId", "email"}}}
	allOf := []Requirement{{Fields: []string{"userId", "email"}}}
	two := []Requirement{{Fields: []string{"id"}}, {Any: true, Fields: []string{"id", "email"}}}
	in := []Requirement{{Fields: []string{"id"}, In: "batch"}}
	inTwo := []Requirement{{Fields: []string{"x"}, In: "b"}, {Fields: []string{"y"}, In: "b"}, {Any: true, Fields: []string{"z"}, In: "c"}, {Fields: []string{"b"}}}
	for _, c := range []struct {
		name    string
		require []Requirement
		body    string
		want    string // "met", or requirement and row
	}{
		{"there", one, `{"id":1}`, "met"},
		{"missing", one, `{"a":1}`, "0 0"},
		{"no members", one, `{}`, "0 0"},
		{"null", one, `{"id":null}`, "0 0"},
		{"empty", one, `{"id":""}`, "0 0"},
		{"false", one, `{"id":false}`, "met"},
		{"zero", one, `{"id":0}`, "met"},
		{"string", one, `{"id":"a"}`, "met"},
		{"escaped string", one, `{"id":"\u0000"}`, "met"},
		{"string null", one, `{"id":"null"}`, "met"},
		{"array", one, `{"id":[]}`, "met"},
		{"object", one, `{"id":{}}`, "met"},
		{"nested", one, `{"a":{"id":1}}`, "0 0"},
		{"other case", one, `{"ID":1}`, "0 0"},
		{"escaped name", one, `{"\u0069d":1}`, "met"},
		{"non-ASCII name", one, `{"ıd":1}`, "0 0"},
		{"twice, last missing", one, `{"id":1,"id":null}`, "0 0"},
		{"twice, first missing", one, `{"id":"","id":1}`, "met"},
		{"scalar", one, `"id"`, "0 0"},
		{"nothing", one, ``, "0 -1"},

		{"any, first", anyOf, `{"userId":1}`, "met"},
		{"any, second", anyOf, `{"email":1}`, "met"},
		{"any, one null", anyOf, `{"userId":null,"email":1}`, "met"},
		{"any, neither", anyOf, `{"userid":1,"Email":""}`, "0 0"},
		{"all, both", allOf, `{"email":1,"a":2,"userId":1}`, "met"},
		{"all, one", allOf, `{"email":1}`, "0 0"},
		{"two, both", two, `{"id":1}`, "met"},
		{"two, second only", two, `{"email":1}`, "0 0"},

		{"rows", one, `[{"id":1},{"id":2}]`, "met"},
		{"rows, last", one, `[{"id":1},{"id":2},{"id":null}]`, "0 2"},
		{"rows, first of two", two, `[{"id":1},{"email":1},{}]`, "0 1"},
		{"rows, scalar", one, `[{"id":1},2]`, "0 1"},
		{"rows, array", one, `[[{"id":1}]]`, "0 0"},
		{"rows, none", one, `[]`, "met"},
		{"lines", one, "{\"id\":1}\n\n{\"id\":2}\n", "met"},
		{"lines, last", one, "{\"id\":1}\n\n{\"a\":2}\n", "0 1"},
		{"lines, array", one, "{\"id\":1}\n[{\"id\":2}]\n", "0 1"},
		{"lines, none", one, "\n", "0 -1"},

		{"in", in, `{"a":1,"batch":[{"id":1},{"id":2}],"b":2}`, "met"},
		{"in, missing field", in, `{"batch":[{"id":1},{"a":2},{}]}`, "0 1"},
		{"in, scalar row", in, `{"batch":[{"id":1},"id"]}`, "0 1"},
		{"in, array row", in, `{"batch":[[{"id":1}]]}`, "0 0"},
		{"in, no rows", in, `{"batch":[]}`, "met"},
		{"in, missing", in, `{"id":1}`, "0 -1"},
		{"in, no array", in, `{"batch":{"id":1}}`, "0 -1"},
		{"in, null", in, `{"batch":null}`, "0 -1"},
		{"in, other case", in, `{"Batch":[{"id":1}]}`, "0 -1"},
		{"in, nested", in, `{"a":{"batch":[{"id":1}]}}`, "0 -1"},
		{"in, deeper", in, `{"batch":[{"a":{"id":1}}]}`, "0 0"},
		{"in, lone surrogate in a name", in, `{"batch":[{"\ud800":1,"id":1}]}`, "met"},
		{"in, twice", in, `{"batch":[{"id":1}],"batch":[{"id":1},{}]}`, "0 2"},
		{"in, twice, last no array", in, `{"batch":[{"id":1}],"batch":1}`, "0 -1"},
		{"in, rows", in, `[{"batch":[{"id":1}]},{"batch":[{"id":1},{}]}]`, "0 2"},
		{"in, rows, one missing", in, `[{"batch":[{"id":1}]},{}]`, "0 -1"},
		{"in, rows, scalar", in, `[1]`, "0 -1"},
		{"in, lines", in, "{\"batch\":[{\"id\":1}]}\n{\"batch\":[{}]}", "0 1"},
		{"in, nothing", in, ``, "0 -1"},
		{"in two, met", inTwo, `{"b":[{"x":1,"y":1}],"c":[{"z":1}]}`, "met"},
		{"in two, second field", inTwo, `{"b":[{"x":1}],"c":[{"z":1}]}`, "1 0"},
		{"in two, other array", inTwo, `{"b":[{"x":1,"y":1},{"x":1,"y":1}],"c":[{"x":1}]}`, "2 0"},
		{"in two, array is field too", inTwo, `{"b":null,"c":[{"z":1}]}`, "3 0"},
		{"in two, other missing", inTwo, `{"b":[{"x":1,"y":1}]}`, "2 -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Set
			lines := strings.HasPrefix(c.name, "lines") || strings.HasSuffix(c.name, "lines")
			if _, err := newFinder(t, Options{Require: c.require}).JSON([]byte(c.body), lines, &s); err != nil {
				t.Fatal(err)
			}
			if got := unmetString(&s); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func unmetString(s *Set) string {
	req, row, ok := s.Unmet()
	if !ok {
		return "met"
	}
	return fmt.Sprint(req, row)
}

// TestRequireShares: a field that is a credential or a resource too is matched
// as that is, and counts although it is cut.
func TestRequireShares(t *testing.T) {
	o := Options{Body: []string{"token"}, Resources: []string{"project"}, Require: []Requirement{{Fields: []string{"Token", "project"}}}}
	for body, want := range map[string]string{
		`{"token":"K","project":"p"}`: "met",
		`{"TOKEN":"K","Project":"p"}`: "met",
		`{"token":"","project":"p"}`:  "0 0",
		`{"token":"K"}`:               "0 0",
	} {
		var s Set
		if _, err := newFinder(t, o).JSON([]byte(body), false, &s); err != nil {
			t.Fatal(err)
		}
		if got := unmetString(&s); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	for _, c := range []struct{ name, body, project, stream string }{
		{"object", `{"project":"p","stream":7}`, `[p] -1`, `[7] -1`},
		{"missing", `{"stream":"s"}`, `[] 0`, `[s] -1`},
		{"stays", `{"token":"K","project":"p","stream":"s"}`, `[p] -1`, `[s] -1`},
		{"other case", `{"PROJECT":"p","\u0073tream":"s"}`, `[p] -1`, `[s] -1`},
		{"numbers as spelled", `{"project":-1.50e+2,"stream":0}`, `[-1.50e+2] -1`, `[0] -1`},
		{"escapes", `{"project":"\u0070\/","stream":"\ud83d\udd11"}`, `[p/] -1`, `[🔑] -1`},
		{"null, true", `{"project":null,"stream":true}`, `[] 0`, `[] 0`},
		{"array, object", `{"project":["p"],"stream":{"a":1}}`, `[] 0`, `[] 0`},
		{"empty, too long", `{"project":"","stream":"` + strings.Repeat("s", MaxKey+1) + `"}`, `[] 0`, `[] 0`},
		{"rows", `[{"project":"p","stream":1},{"stream":1,"project":"q"},{"project":"p","stream":1.0}]`, `[p q] -1`, `[1 1.0] -1`},
		{"rows, missing", `[{"project":"p","stream":1},{"stream":2},{"project":"p"},{}]`, `[p] 1`, `[1 2] 2`},
		{"rows, scalar", `[{"project":"p","stream":1},"project"]`, `[p] 1`, `[1] 1`},
		{"rows, none", `[]`, `[] -1`, `[] -1`},
		{"nested", `{"a":{"project":"p"},"b":[{"stream":1}]}`, `[] 0`, `[] 0`},
		{"scalar", `1`, `[] 0`, `[] 0`},
		{"nothing", ``, `[] 0`, `[] 0`},
		{"lines", "{\"project\":\"p\",\"stream\":1}\n{\"project\":\"p\"}\n", `[p] -1`, `[1] 1`},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Set
			f := newFinder(t, Options{Body: []string{"token"}, Resources: []string{"project", "stream"}})
			body := []byte(c.body)
			clean, err := f.JSON(body, c.name == "lines", &s)
			if err != nil {
				t.Fatal(err)
			}
			clear(body) // values must not depend on it
			if len(clean) != len(c.body) && !strings.Contains(c.body, "token") {
				t.Error("a resource is cut")
			}
			for i, want := range []string{c.project, c.stream} {
				distinct, missing := s.Values(i)
				if got := fmt.Sprintf("%s %d", distinct, missing); got != want {
					t.Errorf("resource %d: got %s, want %s", i, got, want)
				}
			}
		})
	}
	if distinct, missing := new(Set).Values(0); distinct != nil || missing != 0 {
		t.Error("a body that nobody read has values")
	}
}

func TestValuesErrors(t *testing.T) {
	rows := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `%c{"project":%d}`, "[,"[min(i, 1)], i)
		}
		return b.String() + "]"
	}
	for _, c := range []struct {
		name, body string
		want       error
	}{
		{"twice", `{"project":"p","project":"p"}`, ErrDuplicate},
		{"twice, other case", `{"project":"p","Project":"p"}`, ErrDuplicate},
		{"lone surrogate", `{"project":"\ud800"}`, new(SyntaxError)},
		{"most", rows(MaxValues), nil},
		{"too many", rows(MaxValues + 1), ErrValues},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := newFinder(t, Options{Resources: []string{"project"}}).JSON([]byte(c.body), false, new(Set))
			if kind(err) != kind(c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

// TestReportIsReset: nothing of one body shows with the next, of another Finder.
func TestReportIsReset(t *testing.T) {
	var s Set
	f := newFinder(t, Options{Resources: []string{"a", "b"}, Require: []Requirement{{Fields: []string{"c"}, In: "d"}}})
	if _, err := f.JSON([]byte(`[{"a":1,"b":2},{"a":2}]`), false, &s); err != nil {
		t.Fatal(err)
	}
	if _, missing := s.Values(1); missing != 1 || s.Items() != 2 || unmetString(&s) != "0 -1" {
		t.Fatal("the test tests nothing")
	}
	g := newFinder(t, Options{Body: []string{"token"}, Resources: []string{"x"}})
	if _, err := g.JSON([]byte(`{"token":"K","x":1}`), false, &s); err != nil {
		t.Fatal(err)
	}
	distinct, missing := s.Values(0)
	if got := fmt.Sprintf("%s %d", distinct, missing); got != "[1] -1" || s.Items() != 1 || s.Shape() != ShapeObject || unmetString(&s) != "met" {
		t.Errorf("got values %s, %d items, shape %d, %s", got, s.Items(), s.Shape(), unmetString(&s))
	}
	if distinct, _ := s.Values(1); distinct != nil {
		t.Errorf("values of a resource that is not there: %s", distinct)
	}
	s.Reset()
	if distinct, _ := s.Values(0); distinct != nil || s.Items() != 0 || s.Shape() != ShapeNone {
		t.Error("Reset leaves a report")
	}
}
