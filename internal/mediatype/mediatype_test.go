package mediatype

import "testing"

// TestIsUTF8 has the parameters that are told at a glance beside those that look like them.
func TestIsUTF8(t *testing.T) {
	for params, want := range map[string]bool{
		"":                                true,
		"charset=utf-8":                   true,
		"charset=utf8":                    true,
		"charset=us-ascii":                true,
		`charset="utf-8"`:                 true,
		"charset=utf-8; profile=x":        true,
		"boundary=x":                      true,
		"charset":                         false, // no parameter, and it may mean anything
		"charset=utf-16":                  false,
		"charset=utf-8x":                  false,
		"charset=utf-8; charset=utf-16":   false,
		"charset=iso-8859-1":              false,
		"profile=x; charset=windows-1252": false,
	} {
		if got := IsUTF8(params); got != want {
			t.Errorf("%q: %t, want %t", params, got, want)
		}
	}
	for _, params := range []string{"", "charset=utf-8"} {
		if n := testing.AllocsPerRun(100, func() { IsUTF8(params) }); n > 0 {
			t.Errorf("%q: %v allocations", params, n)
		}
	}
}
