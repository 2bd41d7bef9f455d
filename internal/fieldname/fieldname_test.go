package fieldname

import (
	"strings"
	"testing"
)

// punctuation are the characters of a field name (RFC 9110, section 5.6.2) that are neither
// letters nor digits.
const punctuation = "!#$%&'*+-.^_`|~"

func TestFold(t *testing.T) {
	for _, c := range punctuation {
		for _, name := range []string{"X-Api-Key", "x-api-key", "X-API-KEY"} {
			spelling := strings.ReplaceAll(name, "-", string(c))
			if got := Fold(spelling); got != "x-api-key" || !Equal(spelling, got) {
				t.Errorf("Fold(%q) = %q", spelling, got)
			}
		}
	}
}

func TestOtherNames(t *testing.T) {
	for _, name := range []string{"", "XApiKey", "X--Api-Key", "X-Api-Key-", "X-Api-Kez", "X-Api-K\u00e9y", "\u212a-Api-Key", "XxApi-Key", "X0Api-Key"} {
		if Equal(name, "x-api-key") || Fold(name) == "x-api-key" {
			t.Errorf("%q is taken for X-API-Key", name)
		}
	}
}

// TestEveryByte has a backend's rule for oracle: a variable of capitals, digits and '_'.
func TestEveryByte(t *testing.T) {
	variable := func(name string) string {
		out := []byte(name)
		for i, c := range out {
			if 'a' <= c && c <= 'z' {
				out[i] = c - 'a' + 'A'
			} else if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
				out[i] = '_'
			}
		}
		return string(out)
	}
	for i := range 256 {
		for j := range 256 {
			a, b := string([]byte{byte(i)}), string([]byte{byte(j)})
			if got, want := Equal(a, Fold(b)), variable(a) == variable(b); got != want {
				t.Fatalf("%q and %q: one name %t, want %t", a, b, got, want)
			}
		}
	}
}

func TestNoAllocations(t *testing.T) {
	var buf [64]byte
	n := testing.AllocsPerRun(100, func() {
		if !Equal("X~Api~Key", "x-api-key") || string(Append(buf[:0], "X~Api~Key")) != "x-api-key" {
			t.Error("not equal")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}
