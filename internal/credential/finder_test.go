package credential

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

func TestNewErrors(t *testing.T) {
	many := make([]string, 65)
	for i := range many {
		many[i] = fmt.Sprint("name", i)
	}
	require := func(r ...Requirement) Options { return Options{Body: []string{"token"}, Require: r} }
	for name, c := range map[string]struct {
		o    Options
		want string // part of the error
	}{
		"basic":                  {Options{Basic: "Password"}, `unknown part "Password" of basic`},
		"header empty":           {Options{Headers: []string{""}}, "not a header name"},
		"header invalid":         {Options{Headers: []string{"X Key"}}, "not a header name"},
		"header not ASCII":       {Options{Headers: []string{"Schlüssel"}}, "not a header name"},
		"header twice":           {Options{Headers: []string{"X-Key", "x_KEY"}}, `"x_KEY" is given twice`},
		"header dot twice":       {Options{Headers: []string{"X-Key", "X.Key"}}, `"X.Key" is given twice`},
		"authorization, bearer":  {Options{Bearer: true, Headers: []string{"authorization"}}, "already read by its schemes"},
		"authorization, basic":   {Options{Basic: "any", Headers: []string{"Authorization"}}, "already read by its schemes"},
		"query empty":            {Options{Query: []string{"a", ""}}, "query: a name is empty"},
		"query twice":            {Options{Query: []string{"key", "KEY"}}, `query: name "KEY" is given twice`},
		"query twice, Kelvin":    {Options{Query: []string{"key", "\u212aey"}}, "is given twice"},
		"query not UTF-8":        {Options{Query: []string{"a\xff"}}, "not UTF-8"},
		"query NUL":              {Options{Query: []string{"a\x00"}}, "control characters"},
		"query many":             {Options{Query: many}, "more than 64 names"},
		"form twice":             {Options{Form: []string{"key", "key"}}, `form: name "key" is given twice`},
		"form DEL":               {Options{Form: []string{"a\x7f"}}, "control characters"},
		"body twice":             {Options{Body: []string{"token", "Token"}}, `body: name "Token" is given twice`},
		"body empty":             {Options{Body: []string{""}}, "body: a name must not be empty"},
		"resource twice":         {Options{Resources: []string{"p", "P"}}, `resources: name "P" is given twice`},
		"resource is credential": {Options{Body: []string{"p"}, Resources: []string{"P"}}, `"p" is given twice`},
		"body, resources many":   {Options{Body: many[:32], Resources: many[32:]}, "more than 64 names"},
		"require none":           {require(Requirement{}), "requirement 1: it has no fields"},
		"require empty":          {require(Requirement{Fields: []string{""}}), "a name must not be empty"},
		"require twice":          {require(Requirement{Fields: []string{"a"}}, Requirement{Fields: []string{"b", "b"}}), `requirement 2: name "b" is given twice`},
		"require many":           {require(Requirement{Fields: many[:64]}), "more than 64 names"},
		"in is credential":       {require(Requirement{In: "Token", Fields: []string{"a"}}), `body: name "token" is given twice`},
		"removed and found":      {Options{Query: []string{"key"}, Remove: Locations{Query: []string{"KEY"}}}, `query: name "KEY" is given twice`},
		"header, likewise":       {Options{Headers: []string{"X-Key"}, Remove: Locations{Headers: []string{"x_key"}}}, `"x_key" is given twice`},
		"scheme twice":           {Options{Schemes: []string{"Token", "token"}}, `scheme "token" is given twice`},
		"scheme, likewise":       {Options{Schemes: []string{"Token"}, Remove: Locations{Schemes: []string{"TOKEN"}}}, "is given twice"},
		"scheme invalid":         {Options{Schemes: []string{"a b"}}, "not a scheme"},
		"cookie twice":           {Options{Pairs: cookies(config.Location{Names: []string{"key", "KEY"}})}, "is given twice"},
		"header whole and part":  {Options{Headers: []string{"X-A"}, Pairs: headerParams(config.Location{Names: []string{"x_a"}, Param: "p"})}, "read in two ways"},
		"path without a key":     {Options{Paths: []string{"/a/{b}"}}, "no segment {key}"},
		"path":                   {Options{Paths: []string{"a"}}, "must start with a slash"},
		"form, likewise":         {Options{Form: []string{"key"}, Remove: Locations{Form: []string{"key"}}}, `form: name "key" is given twice`},
		"body, likewise":         {Options{Body: []string{"key"}, Remove: Locations{Body: []string{"Key"}}}, `remove from the body: name "Key" is given twice`},
		"rows, likewise":         {Options{BodyRows: []BodyRow{{"key", "b"}}, Remove: Locations{BodyRows: []BodyRow{{"Key", "B"}}}}, `remove from the body: name "Key" is given twice`},
		"bearer, likewise":       {Options{Bearer: true, Remove: Locations{Bearer: true}}, "is given twice"},
		"basic, likewise":        {Options{Basic: "user", Remove: Locations{Basic: true}}, "is given twice"},
		"in is removed":          {Options{Remove: Locations{Body: []string{"a"}}, Require: []Requirement{{In: "a", Fields: []string{"b"}}}}, `remove from the body: name "a" is given twice`},
		"below a credential":     {Options{Body: []string{"a", "A.b"}}, `"A" is a credential, a resource, or removed`},
		"below a resource":       {Options{Resources: []string{"a.b"}, Body: []string{"a.b.c"}}, `"b" is a credential, a resource, or removed`},
		"below, twice":           {Options{Body: []string{"a.b"}, BodyRows: []BodyRow{{"B", "A"}}}, `body: name "B" is given twice`},
		"below, other case":      {Options{Resources: []string{"a.b"}, Require: []Requirement{{Fields: []string{"A.c"}}}}, `"A" is spelled "a" elsewhere`},
		"no path":                {Options{Body: []string{"a..b"}}, "a..b: a name is empty"},
		"path, DEL":              {Options{Body: []string{"a\x7f.b"}}, "control characters"},
		"resources many":         {Options{Resources: append(slices.Clone(many), "a.b")}, "more than 64: remove some"},
		"fields many":            {require(Requirement{Fields: many[:64]}, Requirement{Fields: []string{"x"}, In: "a1.b"}), "more than 64 names"},
		"in invalid":             {require(Requirement{In: "\n", Fields: []string{"a"}}), "control characters"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(c.o)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	names := make([]string, 64)
	for i := range names {
		names[i] = fmt.Sprint("name", i)
	}
	for name, o := range map[string]Options{
		"nothing":                 {},
		"authorization by itself": {Headers: []string{"Authorization"}},
		"same name everywhere":    {Headers: []string{"key"}, Query: []string{"key"}, Form: []string{"key"}, Body: []string{"key"}},
		"64 names":                {Query: names, Form: names, Body: names},
		"64 fields":               {Require: []Requirement{{Fields: names}}},
		"64 fields in an array":   {Body: names[:63], Require: []Requirement{{Fields: names, In: "batch"}}},
		"fields in common":        {Require: []Requirement{{Fields: []string{"a", "A"}}, {Any: true, Fields: []string{"a"}}}},
		"field is the array":      {Require: []Requirement{{Fields: []string{"a"}, In: "b"}, {Fields: []string{"b"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := New(o); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestLooksAt(t *testing.T) {
	for name, c := range map[string]struct {
		o          Options
		json, form bool
	}{
		"nothing":       {Options{Bearer: true, Query: []string{"a"}}, false, false},
		"form":          {Options{Form: []string{"a"}}, false, true},
		"body":          {Options{Body: []string{"a"}}, true, false},
		"require":       {Options{Require: []Requirement{{Fields: []string{"a"}}}}, true, false},
		"resource":      {Options{Resources: []string{"a"}}, true, false},
		"removed, form": {Options{Remove: Locations{Form: []string{"a"}}}, false, true},
		"removed, body": {Options{Remove: Locations{Body: []string{"a"}}}, true, false},
		"removed, rows": {Options{Remove: Locations{BodyRows: []BodyRow{{"a", "b"}}}}, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFinder(t, c.o)
			if f.LooksAtJSON() != c.json || f.LooksAtForm() != c.form {
				t.Errorf("JSON %t, form %t", f.LooksAtJSON(), f.LooksAtForm())
			}
		})
	}
}
