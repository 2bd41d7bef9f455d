package decodertest

import (
	"encoding/json"
	"os/exec"
	"testing"
)

// Cut is a text out of which the copies of a key were cut, and what it was before.
type Cut struct {
	Kind   string `json:"kind"` // json, lines, params, cookie, header or path
	Key    string `json:"key"`
	Before string `json:"before"`
	After  string `json:"after"`
}

// Cuts returns what Python finds wrong with a Cut: whatever decodes to the key, and what is
// not the same as before but for the key. It skips the test if Python is not there.
func Cuts(t testing.TB, dir string) func(t testing.TB, c Cut) (wrong []string) {
	t.Helper()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("needs python3: install it")
	}
	python := start(t, dir, []string{"python3", "copies.py"})
	return func(t testing.TB, c Cut) (wrong []string) {
		t.Helper()
		if err := json.NewEncoder(python.in).Encode(c); err != nil {
			t.Fatal(err)
		}
		answer, err := python.out.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(answer, &wrong); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		return wrong
	}
}
