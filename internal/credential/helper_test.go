package credential

import (
	"fmt"
	"strings"
	"testing"
)

func newFinder(t testing.TB, o Options) *Finder {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// list writes what was found as "location=key", malformed ones as "location!".
func list(found []Found) string {
	var all []string
	for _, f := range found {
		if f.Malformed {
			all = append(all, f.Location+"!")
			if f.Key != nil {
				all = append(all, "with a key")
			}
			continue
		}
		all = append(all, fmt.Sprintf("%s=%s", f.Location, f.Key))
	}
	return strings.Join(all, ", ")
}

// subsequence tells whether short is long with some bytes left out.
func subsequence(short, long string) bool {
	for i := 0; i < len(long) && short != ""; i++ {
		if short[0] == long[i] {
			short = short[1:]
		}
	}
	return short == ""
}
