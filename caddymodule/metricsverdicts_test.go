package caddymodule

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVerdictsAreComplete compares the values of the label verdict with what
// refusals in the source say.
func TestVerdictsAreComplete(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{verdictAllowed, rateLimited, "other"}
	said := regexp.MustCompile(`code: "(\w+)", message|refInvalid\("(\w+)"\)`)
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		for _, m := range said.FindAllStringSubmatch(string(source), -1) {
			want = append(want, m[1]+m[2])
		}
	}
	want = slices.DeleteFunc(want, func(v string) bool { return v == "invalid_key" }) // has a verdict of its own
	slices.Sort(want)
	got := slices.Clone(verdicts[:])
	slices.Sort(got)
	if diff := cmp.Diff(slices.Compact(want), got); diff != "" {
		t.Errorf("verdicts (-source +label):\n%s", diff)
	}
}

func TestLocationNumber(t *testing.T) {
	for location, want := range map[string]string{
		"": "none", "bearer": "bearer", "header X-API-Key": "header", "query apiKey": "query",
		"body token": "body", "basic": "basic", "form key": "form",
	} {
		if got := locations[locationNumber(location)]; got != want {
			t.Errorf("%q: %s, want %s", location, got, want)
		}
	}
}

func TestLasting(t *testing.T) {
	var l lasting
	a, b := uint64(3), uint64(0)
	end := l.follow(func() uint64 { return a })
	l.follow(func() uint64 { return b })
	a, b = 5, 2
	if got := l.sum(); got != 7 {
		t.Errorf("while both count: %d", got)
	}
	end()
	a, b = 0, 4
	if got := l.sum(); got != 9 {
		t.Errorf("after one has ended: %d", got)
	}
}
