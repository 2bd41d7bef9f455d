package credential

import (
	"errors"
	"strings"
	"testing"
)

// nested are bodies with keys in members below members. What is found has "body " before
// it; "=" as clean means that nothing is cut, "!!" that a member is there twice.
var nested = []struct{ name, body, found, clean string }{
	{"one level", `{"event":"e","properties":{"token":"K","id":1}}`, "properties.token=K", `{"event":"e","properties":{"id":1}}`},
	{"two levels", `{"a":{"b":{"x":1,"key":"K"}}}`, "a.b.key=K", `{"a":{"b":{"x":1}}}`},
	{"only", `{"properties":{"token":"K"}}`, "properties.token=K", `{"properties":{}}`},
	{"every level", `{"token":"K","properties":{"token":"K"},"a":{"b":{"key":"K"}}}`, "token=K, properties.token=K, a.b.key=K", `{"properties":{},"a":{"b":{}}}`},
	{"rows", `[{"properties":{"token":"K"}},{"properties":{"token":"K","a":1}},{"properties":1}]`, "properties.token=K", `[{"properties":{}},{"properties":{"a":1}},{"properties":1}]`},
	{"array on the way", `{"properties":[{"token":"K","a":1},1,{"b":2,"token":"K"},{}]}`, "properties.token=K", `{"properties":[{"a":1},1,{"b":2},{}]}`},
	{"arrays on the way", `[{"a":[{"b":[{"key":"K"},{"key":"K","c":1}]},{"b":{"key":"K"}}]}]`, "a.b.key=K", `[{"a":[{"b":[{},{"c":1}]},{"b":{}}]}]`},
	{"array of arrays", `{"properties":[[{"token":"K"}]]}`, "", "="},
	{"no array", `{"properties":[]}`, "", "="},
	{"no object", `{"properties":"token","a":null}`, "", "="},
	{"another place", `{"token2":{"token":"K"},"b":{"key":"K"},"properties":{"properties":{"token":"K"}},"a":{"key":"K"}}`, "", "="},
	{"other case", `{"Properties":{"TOKEN":"K"},"A":{"B":{"kEy":"K"}}}`, "properties.token=K, a.b.key=K", `{"Properties":{},"A":{"B":{}}}`},
	{"escaped name", `{"\u0070roperties":{"\u0074oken":"K","x":"\u0041"}}`, "properties.token=K", `{"\u0070roperties":{"x":"\u0041"}}`},
	{"folded name", "{\"propertie\u017f\":{\"to\u212aen\":\"K\"}}", "properties.token=K", "{\"propertie\u017f\":{}}"},
	{"a dot in a name", `{"user.token":"K","user":{"token":"L"}}`, `user\.token=K`, `{"user":{"token":"L"}}`},
	{"white space stays", "{ \"properties\" : {\n\t\"a\" : 1 ,\n\t\"token\" : \"K\"\n} , \"b\" : 1.0e1 }", "properties.token=K", "{ \"properties\" : {\n\t\"a\" : 1 \n\t\n} , \"b\" : 1.0e1 }"},
	{"not text", `{"properties":{"token":["K"],"a":1}}`, "properties.token!", `{"properties":{"a":1}}`},
	{"null", `{"properties":{"token":null}}`, "", `{"properties":{}}`},
	{"two that differ", `{"properties":[{"token":"K"},{"token":"L"},{"token":"M"}]}`, "properties.token=K, properties.token=L", `{"properties":[{},{},{}]}`},
	{"removed", `{"properties":{"secret":{"token":1},"Secret":2,"a":1},"events":[{"user":{"password":"p"}}]}`, "", `{"properties":{"a":1},"events":[{"user":{}}]}`},
	{"in the elements of an array", `{"events":[{"auth":{"token":"K"}},{"auth":[{"token":"K"}]}]}`, "auth.token=K", `{"events":[{"auth":{}},{"auth":[{}]}]}`},
	{"in the elements of an array, which is none", `{"events":{"auth":{"token":"K"}}}`, "", "="},
	{"twice", `{"properties":{"token":"K","token":"K"}}`, "", "!!"},
	{"twice, other case", `{"properties":{"token":"K","Token":"K"}}`, "", "!!"},
	{"twice on the way", `{"properties":{"token":"K"},"properties":{}}`, "", "!!"},
	{"twice on the way, other case", `{"properties":{},"a":1,"PROPERTIES":{"token":"K"}}`, "", "!!"},
	{"twice on the way, escaped", `{"a":{"b":1,"\u0062":{"key":"K"}}}`, "", "!!"},
	{"twice somewhere else", `{"properties":{"x":1,"x":{"token":"K"}}}`, "", "="},
	{"lone surrogate in a name on the way", `{"properties":{"token\ud800":"K"}}`, "", "!"},
	{"NUL in a name on the way", `{"a":{"b\u0000":{"key":"K"}}}`, "", "!"},
	{"lone surrogate where nothing is looked for", `{"properties":{"x":{"token\ud800":"K"}}}`, "", "="},
	{"lone surrogate in a key", `{"properties":{"token":"K\ud800"}}`, "", "!"},
}

var nestedOptions = Options{
	Body: []string{"token", "properties.token", "a.b.key", `user\.token`}, BodyRows: []BodyRow{{"auth.token", "events"}},
	Remove: Locations{Body: []string{"properties.secret"}, BodyRows: []BodyRow{{"user.password", "events"}}},
}

func TestNestedMembers(t *testing.T) {
	t.Parallel()
	f := newFinder(t, nestedOptions)
	for _, c := range nested {
		s := new(Set)
		clean, err := f.JSON([]byte(c.body), false, s)
		want := c.clean
		if want == "=" {
			want = c.body
		}
		switch {
		case c.clean == "!!":
			if !errors.Is(err, ErrDuplicate) {
				t.Errorf("%s: %v", c.name, err)
			}
		case c.clean == "!":
			if _, ok := errors.AsType[*SyntaxError](err); !ok {
				t.Errorf("%s: %v", c.name, err)
			}
		case err != nil || string(clean) != want || list(s.Found()) != prefixed("body ", c.found):
			t.Errorf("%s: %s, %v, found %s; want %s, %s", c.name, clean, err, list(s.Found()), want, c.found)
		}
	}
}

// concatenated are bodies of several JSON texts: rows as lines are.
var concatenated = []struct {
	body, found, clean string
	shape              Shape
	items              int
}{
	{`{"token":"K"}{"token":"K","a":1}`, "token=K", `{}{"a":1}`, ShapeLines, 2},
	{"{\"event\":1,\"token\":\"K\"}\n\n{\"event\":2,\r\n\"token\":\"K\"} \t{}", "token=K", "{\"event\":1}\n\n{\"event\":2\r\n} \t{}", ShapeLines, 3},
	{`[{"token":"K"},{}][1]`, "token=K", `[{},{}][1]`, ShapeLines, 3},
	{`{"a":{"token":"K"}}{"token":"L"}`, "token=L", `{"a":{"token":"K"}}{}`, ShapeLines, 2},
	{`{"token":"K"}{"token":"L"}`, "token=K, token=L", `{}{}`, ShapeLines, 2},
	{`{"token":"K"}`, "token=K", `{}`, ShapeObject, 1},
	{` [{"token":"K"}] `, "token=K", ` [{}] `, ShapeArray, 1},
	{"", "", "=", ShapeNone, 0},
	{`1 2 "a""b"null []`, "", "=", ShapeLines, 5},
	{`12`, "", "=", ShapeOther, 1},
	{`{"token":"K"},{"token":"K"}`, "", "!", 0, 0},
	{`{"token":"K"}]`, "", "!", 0, 0},
	{`{"token":"K"}{`, "", "!", 0, 0},
	{"{\"token\":\"K\"}\x1e{}", "", "!", 0, 0},
	{"{}" + bom + "{}", "", "!", 0, 0},
	{`1-2`, "", "!", 0, 0},
	{`1{"token":"K"}`, "", "!", 0, 0},
	{`1"a"`, "", "!", 0, 0},
	{`nulltrue`, "", "!", 0, 0},
	{`{"token":"K"}{"token":"K","Token":"K"}`, "", "!", 0, 0},
}

func TestConcatenated(t *testing.T) {
	t.Parallel()
	f := newFinder(t, Options{Body: []string{"token"}, Concatenated: true})
	one := newFinder(t, Options{Body: []string{"token"}})
	for _, c := range concatenated {
		want := c.clean
		if want == "=" {
			want = c.body
		}
		s := new(Set)
		clean, err := f.JSON([]byte(c.body), false, s)
		if c.clean == "!" {
			if err == nil {
				t.Errorf("%s: accepted as %s", c.body, clean)
			}
			continue
		}
		if err != nil || string(clean) != want || list(s.Found()) != prefixed("body ", c.found) || s.Shape() != c.shape || s.Items() != c.items {
			t.Errorf("%s: %s, %v, found %s, shape %d, %d items", c.body, clean, err, list(s.Found()), s.Shape(), s.Items())
		}
		if _, err := one.JSON([]byte(c.body), false, new(Set)); (err == nil) != (c.shape != ShapeLines) {
			t.Errorf("%s, without concatenation: %v", c.body, err)
		}
	}
}

// TestConcatenatedOnLines: a line ends its texts, whatever the lines are; a reader of lines
// sees the second text of one no more than we see a text of two lines.
func TestConcatenatedOnLines(t *testing.T) {
	t.Parallel()
	f := newFinder(t, Options{Body: []string{"token"}, Concatenated: true})
	for body, want := range map[string]string{
		"{\"token\":\"K\"}{\"token\":\"K\"}\n{}\n":          "{}{}\n{}\n",
		"\x1e{\"token\":\"K\"} {\"token\":\"K\"}\n\x1e{}\n": "\x1e{} {}\n\x1e{}\n",
		"{\"a\":[\n{\"token\":\"K\"}\n]}\n":                 "!",
	} {
		s := new(Set)
		clean, err := f.JSON([]byte(body), true, s)
		if err == nil && (string(clean) != want || s.Items() != 3 && !strings.HasPrefix(body, "\x1e")) || (err != nil) != (want == "!") {
			t.Errorf("%q: %q, %v, %d items", body, clean, err, s.Items())
		}
	}
}

// nestedRequirements are as those of requirements: a field in an array has to be in all
// its elements, and there has to be one.
func TestNestedRequirements(t *testing.T) {
	t.Parallel()
	one := []Requirement{{Fields: []string{"user.id"}}}
	either := []Requirement{{Any: true, Fields: []string{"id", "user.id", "user.email"}}}
	in := []Requirement{{Fields: []string{"user.id"}, In: "data.events"}}
	both := append([]Requirement{{Fields: []string{"id"}, In: "events"}}, Requirement{Fields: []string{"events.name", "events"}})
	for _, c := range []struct {
		require []Requirement
		body    string
		want    string
	}{
		{one, `{"user":{"id":1}}`, "met"},
		{one, `{"user":{"id":""}}`, "0 0"},
		{one, `{"user":{},"id":1}`, "0 0"},
		{one, `{"user":1}`, "0 0"},
		{one, `{"user.id":1}`, "0 0"},
		{one, `[{"user":{"id":1}},{"user":null}]`, "0 1"},
		{one, `{"user":[{"id":1},{"id":2}]}`, "met"},
		{one, `{"user":[{"id":1},{"a":2}]}`, "0 0"},
		{one, `{"user":[{"id":1},2]}`, "0 0"},
		{one, `{"user":[]}`, "0 0"},
		{one, `{"user":[[{"id":1}]]}`, "0 0"},
		{one, `{"user":{"id":1,"id":null}}`, "0 0"},
		{either, `{"user":{"email":"m"}}`, "met"},
		{either, `{"id":1,"user":{"a":1}}`, "met"},
		{either, `{"user":[{"id":1},{"email":"m"}]}`, "0 0"},
		{in, `{"data":{"events":[{"user":{"id":1}},{"user":{"id":2}}]}}`, "met"},
		{in, `{"data":{"events":[{"user":{"id":1}},{"user":{}}]}}`, "0 1"},
		{in, `{"data":[{"events":[{"user":{"id":1}}]},{"events":[{"id":1}]}]}`, "0 1"},
		{in, `{"data":{"events":[]}}`, "met"},
		{in, `{"data":{}}`, "0 -1"},
		{in, `{"data":[{"events":[]},{}]}`, "0 -1"},
		{in, `{"events":[{"user":{"id":1}}]}`, "0 -1"},
		{in, `{"data":{"events":{"user":{"id":1}}}}`, "0 -1"},
		{both, `{"events":[{"id":1,"name":"n"},{"id":2,"name":"m"}]}`, "met"},
		{both, `{"events":[{"id":1,"name":"n"},{"id":2}]}`, "1 0"},
		{both, `{"events":[{"name":"n"}]}`, "0 0"},
	} {
		s := new(Set)
		if _, err := newFinder(t, Options{Require: c.require}).JSON([]byte(c.body), false, s); err != nil {
			t.Errorf("%s: %v", c.body, err)
		}
		if got := unmetString(s); got != c.want {
			t.Errorf("%v, %s: %s, want %s", c.require, c.body, got, c.want)
		}
	}
}

// TestNestedSpelling: where a backend may look for another spelling than we do, on the way
// or at its end, the body is refused.
func TestNestedSpelling(t *testing.T) {
	t.Parallel()
	f := newFinder(t, Options{
		Resources: []string{"context.project"}, Require: []Requirement{{Fields: []string{"user.id"}, In: "data.events"}}, Batches: []string{"data.rows"},
	})
	for body, name := range map[string]string{
		`{"Context":{"project":"p"}}`:                "context",
		`{"context":{"PROJECT":"p"}}`:                "project",
		`{"data":{"Events":[]}}`:                     "events",
		`{"Data":{}}`:                                "data",
		`{"data":{"rows":[],"events":[{"User":1}]}}`: "user",
		`{"data":{"events":[{"user":{"ID":1}}]}}`:    "id",
		`{"data":{"ROWS":[]}}`:                       "rows",
	} {
		_, err := f.JSON([]byte(body), false, new(Set))
		if spelling, ok := errors.AsType[*SpellingError](err); !ok || spelling.Name != name {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestNestedResources: every value counts, wherever on the way there are several.
func TestNestedResources(t *testing.T) {
	t.Parallel()
	f := newFinder(t, Options{Resources: []string{"context.project"}, Batches: []string{"data.events"}})
	for _, c := range []struct {
		body    string
		values  string
		missing int
		odd     bool
		items   int
	}{
		{`{"context":{"project":"p"},"data":{"events":[1,2]}}`, "p", -1, false, 2},
		{`{"context":[{"project":"p"},{"project":7}],"data":[{"events":[1]},{"events":[2,3]}]}`, "p 7", -1, false, 3},
		{`[{"context":{"project":"p"}},{"context":{"project":"p"}},{"context":{}}]`, "p", 2, false, 0},
		{`{"context":[{"project":"p"},{}]}`, "p", 0, false, 0},
		{`{"context":[]}`, "", 0, false, 0},
		{`{"project":"p"}`, "", 0, false, 0},
		{`{"context":{"project":["p"]}}`, "", 0, true, 0},
		{`{"context":[[{"project":"p"}]]}`, "", 0, true, 0},
		{`[[{"context":{"project":"p"}}]]`, "", 0, true, 0},
	} {
		s := new(Set)
		if _, err := f.JSON([]byte(c.body), false, s); err != nil {
			t.Error(err)
		}
		values, missing := s.Values(0)
		var texts []string
		for _, v := range values {
			texts = append(texts, string(v))
		}
		if got := strings.Join(texts, " "); got != c.values || missing != c.missing || s.Odd(0) != c.odd || f.BatchItems(s, 0) != c.items {
			t.Errorf("%s: %q, missing %d, odd %t, %d items", c.body, got, missing, s.Odd(0), f.BatchItems(s, 0))
		}
	}
	for _, body := range []string{`{"context":{"project":"p","project":"p"}}`, `{"context":{"project":"p"},"context":{}}`} {
		if _, err := f.JSON([]byte(body), false, new(Set)); !errors.Is(err, ErrDuplicate) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
