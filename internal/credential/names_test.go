package credential

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	var n names
	for _, name := range []string{"Secret", "ſhort", "\u212aelvin", "Σ", "x-" + strings.Repeat("long", 20)} {
		if err := n.add(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"field", "fiEld", "\u017f"} {
		if err := n.addSpelling(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]int{
		"Secret": 0, "secret": 0, "SECRET": 0, "ſecret": 0, "secre": -1, "secrets": -1, "": -1, "decret": -1, "secred": -1,
		"short": 1, "SHORT": 1, "ſhort": 1, "kelvin": 2, "Kelvin": 2, "\u212aELVIN": 2, "σ": 3, "ς": 3, "Σ": 3,
		"X-" + strings.Repeat("LONG", 20): 4, "x-" + strings.Repeat("long", 4): -1,
		"field": 5, "fiEld": 6, "FIELD": 5, "ſ": 7, "s": 7, "S": 7,
	} {
		if got := n.match([]byte(name), isASCII(name)); got != want {
			t.Errorf("%s: got %d, want %d", name, got, want)
		}
		if got := n.match([]byte(name), false); got != want {
			t.Errorf("%s, not known to be plain: got %d, want %d", name, got, want)
		}
	}
}
