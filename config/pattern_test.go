package config

import (
	"strings"
	"testing"
)

func TestPatternValue(t *testing.T) {
	for _, tc := range []struct {
		pattern, path, name string
		want                string
		ok                  bool
	}{
		{"/v1/project/{project}/*", "/v1/project/p1/stream", "project", "p1", true},
		{"/v1/project/{project}/*", "/v1/project/p1", "project", "p1", true},
		{"/v1/project/{project}/*", "/v1/project/p1/", "project", "p1", true},
		{"/v1/project/{project}/*", "/v1/project/p1/a/b/c", "project", "p1", true},
		{"/v1/project/{project}", "/v1/project/p1", "project", "p1", true},
		{"/v1/project/{project}", "/v1/project/p1/", "project", "p1", false},
		{"/v1/project/{project}", "/v1/project/p1/x", "project", "p1", false},
		{"/v1/project/{project}", "/V1/project/p1", "project", "p1", false},
		{"/v1/project/{project}", "/v1/project/", "project", "", false},
		{"/v1/project/{project}", "/v1/project", "project", "", false},
		{"/{a}/{b}", "/x/y", "b", "y", true},
		{"/{a}/{b}", "/x/y", "a", "x", true},
		{"/{a}/*", "/x", "a", "x", true},
		{"/{a}", "", "a", "", false},
		{"/{a}", "x", "a", "", false},
		{"/{a}", "/", "a", "", false},
	} {
		p, err := ParsePattern(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := p.Value(tc.path, tc.name)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: Value(%q, %s) = %q, %t; want %q, %t", tc.pattern, tc.path, tc.name, got, ok, tc.want, tc.ok)
		}
	}
}

func TestPatternErrors(t *testing.T) {
	for pattern, want := range map[string]string{
		"v1/{a}":     "must start with a slash",
		"":           "must start with a slash",
		"/a//{b}":    "empty and dot segments",
		"/../{b}":    "empty and dot segments",
		"/{}/x":      "not a name in braces",
		"/a{b}":      "braces must be around a whole segment",
		"/*/{b}":     "braces must be around a whole segment",
		"/{a}/{a}":   "given twice",
		"/%2e/{a}":   "decoded path",
		"/a;b/{a}/*": "decoded path",
	} {
		if _, err := ParsePattern(pattern); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePattern(%q): %v, want an error with %q", pattern, err, want)
		}
	}
}
