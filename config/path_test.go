package config

import (
	"slices"
	"strings"
	"testing"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"token":             {"token"},
		"properties.token":  {"properties", "token"},
		`a\.b`:              {"a.b"},
		`a\.b.c\.d.e`:       {"a.b", "c.d", "e"},
		`\.`:                {"."},
		`a\\.b`:             {`a\`, "b"},
		`a\\\.b`:            {`a\.b`},
		"user id.é":         {"user id", "é"},
		"$set.$email":       {"$set", "$email"},
		"$":                 {"$"},
		"a[b].c[]":          {"a[b]", "c[]"},
		"1.2.3.4.5.6.7.8.9": {"1", "2", "3", "4", "5", "6", "7", "8", "9"},
	} {
		path, err := ParsePath(text)
		if err != nil || !slices.Equal(path, want) {
			t.Errorf("%s: %q, %v", text, path, err)
		}
		if again, err := ParsePath(formatPath(path)); err != nil || !slices.Equal(again, want) || formatPath(path) != text {
			t.Errorf("%s: written %s, which is %q, %v", text, formatPath(path), again, err)
		}
	}
	for text, want := range map[string]string{
		"":                                  "a name must not be empty",
		".":                                 ".: a name is empty; write the names",
		".token":                            "a name is empty",
		"a..b":                              "a name is empty",
		"token.":                            "a name is empty",
		`a\b`:                               "a backslash must be before a dot",
		`a\`:                                "a backslash must be before a dot",
		"$.a.b":                             "does not begin with `$.`; write `a.b`",
		"a[].b":                             "leave out `[]`",
		"a.b[*].c":                          "leave out `[*]`",
		"a[0].b":                            "leave out `[0]`",
		"a" + strings.Repeat(".a", maxPath): "names more than 16 members below each other",
	} {
		if path, err := ParsePath(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %q, %v; want %s", text, path, err, want)
		}
	}
	if got := PathText(`a\.b.c`); got != "a.b.c" {
		t.Error(got)
	}
}

// TestMembersThatExcludeEachOther: a path may lead neither through a member that is read or
// cut as a whole nor to the same one under another spelling.
func TestMembersThatExcludeEachOther(t *testing.T) {
	t.Parallel()
	body := func(in string, names ...string) []Location { return []Location{{In: InBody, Names: names, Rows: in}} }
	for want, g := range map[string]Gate{
		"credential body: A.b.token is in a.b, which carries a credential; remove one": {Credentials: body("", "a.b", "A.b.token")},
		"credential body: auth.token is in Auth, which is removed; remove one":         {Credentials: body("", "auth.token"), Remove: body("", "Auth")},
		"remove body: events.a.b is in events.a, which carries a":                      {Credentials: body("events", "a"), Remove: body("", "events.a.b")},
		"credential body: p.token is in p, which is a resource":                        {Credentials: body("", "p.token"), Resources: []Resource{{Name: "p", In: "body", At: "p"}}},
		"require: token.id is in token, which carries a credential":                    {Credentials: body("", "token"), Require: []Requirement{{Fields: []string{"token.id"}}}},
		"limit key: events is removed and cannot be the array of rows":                 {Remove: body("", "events"), Limits: []Limit{{Rate: Rate{N: 1, Window: 1}, By: []string{"key"}, Cost: CostBodyItems, CostIn: "events"}}},
		"credential body: events.token is given twice":                                 {Credentials: append(body("events", "token"), body("", "events.token")...)},
		"credential body: B.c is given twice":                                          {Credentials: append(body("", "a.b.c"), body("A", "B.c")...)},
		"remove body: token is also a place for":                                       {Credentials: body("", "a.token"), Remove: body("a", "token")},
		"credential body: in .a: a name is empty":                                      {Credentials: body(".a", "token")},
		`credential body: a\b: a backslash must be before`:                             {Credentials: body("", `a\b`)},
		"resource p: a..b: a name is empty":                                            {Resources: []Resource{{Name: "p", In: "body", At: "a..b"}}},
		"resource p: A.b in the body carries a credential and cannot be":               {Credentials: body("a", "b"), Resources: []Resource{{Name: "p", In: "body", At: "A.b"}}},
		"require: a.: a name is empty":                                                 {Require: []Requirement{{Fields: []string{"a."}}}},
		"require: .b: a name is empty":                                                 {Require: []Requirement{{Fields: []string{"a"}, In: ".b"}}},
		"limit key cost: a..b: a name is empty":                                        {Limits: []Limit{{Rate: Rate{N: 1, Window: 1}, By: []string{"key"}, Cost: CostBodyItems, CostIn: "a..b"}}},
		"User and user differ only in upper and lower case":                            {Require: []Requirement{{Any: true, Fields: []string{"user.id", "User.email"}}}},
		"a.b and a.B differ only in upper and lower case":                              {Require: []Requirement{{Fields: []string{"x"}, In: "a.b"}}, Resources: []Resource{{Name: "p", In: "body", At: "a.B.c"}}},
	} {
		if err := g.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	for i, g := range []Gate{
		{Credentials: body("", "token", "properties.token", `properties\.token`, "auth.token.value"), Remove: body("properties", "secret")},
		{Credentials: body("Events", "token"), Require: []Requirement{{Any: true, Fields: []string{"userId", "userid", "user.id", "user.ID"}, In: "events"}}},
		{Credentials: body("", "a.token"), Require: []Requirement{{Fields: []string{"a", "a.token", "a.b"}}}, Resources: []Resource{{Name: "p", In: "body", At: "a.p"}}},
		{Require: []Requirement{{Fields: []string{"x.y"}, In: "a.b"}, {Fields: []string{"a.b.x.z"}}}},
	} {
		if err := g.Validate(); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
}
