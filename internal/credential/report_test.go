package credential

import (
	"errors"
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
		{"\n[1,2]\n\n{}\n3\n", true, ShapeLines, 4},
		{"[" + strings.Repeat("{},", 499) + "{}]", true, ShapeLines, 500},
		{"[]\n[[1,2]]", true, ShapeLines, 1},
		{"\x1e{}\n\x1e[1,2]\n\x1e3", true, ShapeLines, 4},
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

var (
	requireOne   = []Requirement{{Fields: []string{"id"}}}
	requireAny   = []Requirement{{Any: true, Fields: []string{"userId", "email"}}}
	requireAll   = []Requirement{{Fields: []string{"userId", "email"}}}
	requireTwo   = []Requirement{{Fields: []string{"id"}}, {Any: true, Fields: []string{"id", "email"}}}
	requireIn    = []Requirement{{Fields: []string{"id"}, In: "batch"}}
	requireInTwo = []Requirement{{Fields: []string{"x"}, In: "b"}, {Fields: []string{"y"}, In: "b"}, {Any: true, Fields: []string{"z"}, In: "c"}, {Fields: []string{"b"}}}
)

// requirements are bodies with the requirement that is unmet and its row.
var requirements = []struct {
	name    string
	require []Requirement
	body    string
	want    string // "met", or requirement and row
}{
	{"there", requireOne, `{"id":1}`, "met"},
	{"missing", requireOne, `{"a":1}`, "0 0"},
	{"no members", requireOne, `{}`, "0 0"},
	{"null", requireOne, `{"id":null}`, "0 0"},
	{"empty", requireOne, `{"id":""}`, "0 0"},
	{"false", requireOne, `{"id":false}`, "0 0"},
	{"true", requireOne, `{"id":true}`, "0 0"},
	{"zero", requireOne, `{"id":0}`, "met"},
	{"negative number", requireOne, `{"id":-1e3}`, "met"},
	{"string", requireOne, `{"id":"a"}`, "met"},
	{"escaped string", requireOne, `{"id":"\u0061"}`, "met"},
	{"space in front", requireOne, `{"id":" \t\u00a0a"}`, "met"},
	{"white space", requireOne, `{"id":" "}`, "0 0"},
	{"white space, escaped", requireOne, `{"id":"\n\t\u0020"}`, "0 0"},
	{"white space of Unicode", requireOne, "{\"id\":\"\u00a0\u2003\\u3000\"}", "0 0"},
	{"nothing to see", requireOne, `{"id":"\u0000\u200b\ufeff\u007f"}`, "0 0"},
	{"other alphabets", requireOne, `{"id":"é"}`, "met"},
	{"lone surrogate", requireOne, `{"id":"\ud800"}`, "met"},
	{"string null", requireOne, `{"id":"null"}`, "met"},
	{"array", requireOne, `{"id":[]}`, "0 0"},
	{"array with elements", requireOne, `{"id":["a"]}`, "0 0"},
	{"object", requireOne, `{"id":{}}`, "0 0"},
	{"object with members", requireOne, `{"id":{"id":"a"}}`, "0 0"},
	{"nested", requireOne, `{"a":{"id":1}}`, "0 0"},
	{"escaped name", requireOne, `{"\u0069d":1}`, "met"},
	{"non-ASCII name", requireOne, `{"ıd":1}`, "0 0"},
	{"twice, last missing", requireOne, `{"id":1,"id":null}`, "0 0"},
	{"twice, first missing", requireOne, `{"id":"","id":1}`, "met"},
	{"scalar", requireOne, `"id"`, "0 0"},
	{"nothing", requireOne, ``, "0 -1"},

	{"any, first", requireAny, `{"userId":1}`, "met"},
	{"any, second", requireAny, `{"email":1}`, "met"},
	{"any, one null", requireAny, `{"userId":null,"email":1}`, "met"},
	{"any, neither", requireAny, `{"user_id":1,"email":""}`, "0 0"},
	{"all, both", requireAll, `{"email":1,"a":2,"userId":1}`, "met"},
	{"all, one", requireAll, `{"email":1}`, "0 0"},
	{"two, both", requireTwo, `{"id":1}`, "met"},
	{"two, second only", requireTwo, `{"email":1}`, "0 0"},

	{"rows", requireOne, `[{"id":1},{"id":2}]`, "met"},
	{"rows, last", requireOne, `[{"id":1},{"id":2},{"id":null}]`, "0 2"},
	{"rows, first of two", requireTwo, `[{"id":1},{"email":1},{}]`, "0 1"},
	{"rows, scalar", requireOne, `[{"id":1},2]`, "0 1"},
	{"rows, array", requireOne, `[[{"id":1}]]`, "0 0"},
	{"rows, none", requireOne, `[]`, "met"},
	{"lines", requireOne, "{\"id\":1}\n\n{\"id\":2}\n", "met"},
	{"lines, last", requireOne, "{\"id\":1}\n\n{\"a\":2}\n", "0 1"},
	{"lines, array of rows", requireOne, "{\"id\":1}\n[{\"id\":2}]\n", "met"},
	{"lines, array of rows, last", requireOne, "{\"id\":1}\n[{\"id\":2},{\"a\":3}]\n", "0 2"},
	{"lines, array in an array", requireOne, "[[{\"id\":2}]]\n", "0 0"},
	{"lines, none", requireOne, "\n", "0 -1"},

	{"in", requireIn, `{"a":1,"batch":[{"id":1},{"id":2}],"b":2}`, "met"},
	{"in, missing field", requireIn, `{"batch":[{"id":1},{"a":2},{}]}`, "0 1"},
	{"in, scalar row", requireIn, `{"batch":[{"id":1},"id"]}`, "0 1"},
	{"in, array row", requireIn, `{"batch":[[{"id":1}]]}`, "0 0"},
	{"in, no rows", requireIn, `{"batch":[]}`, "met"},
	{"in, missing", requireIn, `{"id":1}`, "0 -1"},
	{"in, no array", requireIn, `{"batch":{"id":1}}`, "0 -1"},
	{"in, null", requireIn, `{"batch":null}`, "0 -1"},
	{"in, nested", requireIn, `{"a":{"batch":[{"id":1}]}}`, "0 -1"},
	{"in, deeper", requireIn, `{"batch":[{"a":{"id":1}}]}`, "0 0"},
	{"in, lone surrogate in a name", requireIn, `{"batch":[{"\ud800":1,"id":1}]}`, "met"},
	{"in, rows", requireIn, `[{"batch":[{"id":1}]},{"batch":[{"id":1},{}]}]`, "0 2"},
	{"in, rows, one missing", requireIn, `[{"batch":[{"id":1}]},{}]`, "0 -1"},
	{"in, rows, scalar", requireIn, `[1]`, "0 -1"},
	{"in, lines", requireIn, "{\"batch\":[{\"id\":1}]}\n{\"batch\":[{}]}", "0 1"},
	{"in, nothing", requireIn, ``, "0 -1"},
	{"in two, met", requireInTwo, `{"b":[{"x":1,"y":1}],"c":[{"z":1}]}`, "met"},
	{"in two, first field", requireInTwo, `{"b":[{"y":1}],"c":[{"z":1}]}`, "0 0"},
	{"in two, second field", requireInTwo, `{"b":[{"x":1}],"c":[{"z":1}]}`, "1 0"},
	{"in two, other array", requireInTwo, `{"b":[{"x":1,"y":1},{"x":1,"y":1}],"c":[{"x":1}]}`, "2 0"},
	{"in two, array is field too", requireInTwo, `{"b":null,"c":[{"z":1}]}`, "3 0"},
	{"in two, array is field too, no elements", requireInTwo, `{"b":[],"c":[]}`, "3 0"},
	{"in two, other missing", requireInTwo, `{"b":[{"x":1,"y":1}]}`, "2 -1"},
}

// TestNamedArrayTwice: readers differ in which of two arrays they take.
func TestNamedArrayTwice(t *testing.T) {
	for _, body := range []string{`{"batch":[{"id":1}],"batch":[{"id":1},{}]}`, `{"batch":[{"id":1}],"batch":1}`, `[{},{"batch":[],"\u0062atch":[]}]`} {
		for _, o := range []Options{{Require: requireIn}, {Batches: []string{"batch"}}, {BodyRows: []BodyRow{{"token", "batch"}}}} {
			var s Set
			if _, err := newFinder(t, o).JSON([]byte(body), false, &s); !errors.Is(err, ErrDuplicate) {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

func TestRequire(t *testing.T) {
	for _, c := range requirements {
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

// TestRequireShares: a field that is a credential too is matched as that is, and
// counts although it is cut.
func TestRequireShares(t *testing.T) {
	o := Options{Body: []string{"token"}, Resources: []string{"project"}, Require: []Requirement{{Fields: []string{"Token", "project"}}}}
	for body, want := range map[string]string{
		`{"token":"K","project":"p"}`: "met",
		`{"TOKEN":"K","project":"p"}`: "met",
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
		{"escaped name", `{"project":"p","\u0073tream":"s"}`, `[p] -1`, `[s] -1`},
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
	if s.values[:1][0].distinct[:1][0] != nil {
		t.Error("values are held")
	}
	if distinct, _ := s.Values(0); distinct != nil || s.Items() != 0 || s.Shape() != ShapeNone {
		t.Error("Reset leaves a report")
	}
}

func TestBatchItems(t *testing.T) {
	f, err := New(Options{Body: []string{"token"}, Require: []Requirement{{Fields: []string{"id"}, In: "rows"}}, Batches: []string{"events", "rows"}})
	if err != nil {
		t.Fatal(err)
	}
	for body, want := range map[string][2]int{
		`{"token":"k","events":[{},{"a":[1,2,3]},7],"rows":[{"id":1}]}`: {3, 1},
		`{"events":[]}`:                     {0, 0},
		`{"events":{"a":[1]}}`:              {0, 0},
		`[{"events":[1]},{"events":[2,3]}]`: {3, 0},
		`{"\u0065vents":[1]}`:               {1, 0},
		``:                                  {0, 0},
	} {
		s := GetSet()
		if _, err := f.JSON([]byte(body), false, s); err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if got := [2]int{f.BatchItems(s, 0), f.BatchItems(s, 1)}; got != want {
			t.Errorf("%s: %v, want %v", body, got, want)
		}
		PutSet(s)
	}
}

// TestSpelling: backends differ in whether a member in another case is the one that
// was checked: a bound field, a required one, or an array of rows, in any row. A
// credential is found in any case, and so is an array where nothing but credentials
// is looked for.
func TestSpelling(t *testing.T) {
	resource, field, batch := Options{Resources: []string{"project"}}, Options{Require: requireAny}, Options{Batches: []string{"batch"}}
	in, credentials := Options{Require: requireIn}, Options{Body: []string{"token"}, BodyRows: []BodyRow{{"key", "batch"}}}
	spellings := Options{Require: []Requirement{{Any: true, Fields: []string{"userId", "userid"}}}}
	shared := Options{Body: []string{"token"}, Require: []Requirement{{Fields: []string{"Token"}}}}
	for _, c := range []struct {
		options    Options
		body, want string // the name in the error, or ""
	}{
		{resource, `{"project":"p"}`, ""},
		{resource, `{"\u0070roject":"p"}`, ""},
		{resource, `{"Project":"p"}`, "project"},
		{resource, `{"PROJECT":null}`, "project"},
		{resource, `{"\u0050roject":"p"}`, "project"},
		{resource, `{"project":"p","Project":"q"}`, "project"},
		{resource, `[{"project":"p"},{"a":1,"PROJECT":"q"}]`, "project"},
		{resource, `{"a":{"Project":"p"},"project":"p"}`, ""},
		{resource, `{"Projects":"p","project":"p"}`, ""},
		{field, `{"userID":1}`, "userId"},
		{field, `{"email":1,"USERID":2}`, "userId"},
		{field, `[{"email":1},{"email":1,"Email":2}]`, "email"},
		{batch, `{"Batch":[{}]}`, "batch"},
		{batch, `{"batch":[{}],"BATCH":[{},{}]}`, "batch"},
		{batch, `[{},{"Batch":1}]`, "batch"},
		{batch, `{"batch":[{"Batch":1}]}`, ""},
		{in, `{"BATCH":[{"id":1}]}`, "batch"},
		{in, `{"batch":[{"id":1},{"id":1,"ID":2}]}`, "id"},
		{in, `{"batch":[{"id":1}],"ID":2}`, ""},
		{credentials, `{"TOKEN":"K","Batch":[{"KEY":"K"}]}`, ""},
		{Options{Remove: Locations{Body: credentials.Body, BodyRows: credentials.BodyRows}}, `{"TOKEN":"K","Batch":[{"KEY":"K"}]}`, ""},
		{spellings, `{"userid":1}`, ""},
		{spellings, `{"userId":1}`, ""},
		{spellings, `{"userID":1}`, "userId"},
		{shared, `{"TOKEN":"K"}`, ""},
	} {
		for _, lines := range []bool{false, true} {
			body := []byte(c.body)
			clean, err := newFinder(t, c.options).JSON(body, lines && c.body[0] == '{', new(Set))
			got := ""
			if spelling, ok := errors.AsType[*SpellingError](err); ok {
				got = spelling.Name
			}
			if got != c.want || err != nil && (got == "" || string(clean) != c.body) {
				t.Errorf("%s: %v, want %q", c.body, err, c.want)
			}
		}
	}
}

// TestSpellingsThatContradict: no body can have a member in two spellings.
func TestSpellingsThatContradict(t *testing.T) {
	for _, o := range []Options{
		{Resources: []string{"project"}, Require: []Requirement{{Fields: []string{"Project"}}}},
		{Batches: []string{"batch"}, Require: []Requirement{{Fields: []string{"Batch"}}}},
		{Batches: []string{"batch"}, Require: []Requirement{{Fields: []string{"id"}, In: "Batch"}}},
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), "spell both the same") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}
