package credential

import (
	"fmt"
	"testing"
)

func TestPath(t *testing.T) {
	f := newFinder(t, Options{
		Paths:  []string{"/array/{key}/config.js", "/services/{key}/*", "/v1/{version}/ingest/{key}"},
		Remove: Locations{Paths: []string{"/old/{key}/*", "/services/{team}/{key}"}},
	})
	for path, want := range map[string]string{
		"/array/K/config.js":   "path /array/{key}/config.js=K [{1 false}]",
		"/Array/K/CONFIG.js/":  "path /array/{key}/config.js=K [{1 false}]",
		"/array/K/config.js/x": " []",
		"/array//config.js":    " []",
		"/array/config.js":     " []",
		"/services/K":          "path /services/{key}/*=K [{1 false}]",
		"/services/K/":         "path /services/{key}/*=K [{1 false}]",
		"/services/K/L":        "path /services/{key}/*=K [{1 false} {2 true}]",
		"/services/K/L/M":      "path /services/{key}/*=K [{1 false}]",
		"/services/":           " []",
		"/service/K":           " []",
		"/v1/2/ingest/K":       "path /v1/{version}/ingest/{key}=K [{3 false}]",
		"/old/K":               " [{1 true}]",
		"/":                    " []",
		"":                     " []",
	} {
		s := new(Set)
		found := f.Path(path, s)
		if got := list(s.Found()) + " " + fmt.Sprint(found); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}
