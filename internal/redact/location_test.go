package redact

import (
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// TestNamesOfPaths: a log has the member's own name before its value, not
// those of what it is in.
func TestNamesOfPaths(t *testing.T) {
	t.Parallel()
	n := NewNames()
	n.AddLocation(config.Location{In: config.InBody, Names: []string{"properties.sesame", `open\.door`}})
	for text, want := range map[string]string{
		`{"properties":{"sesame":"K"}}`: `{"properties":{"sesame":"REDACTED"}}`,
		`{"open.door":"K"}`:             `{"open.door":"REDACTED"}`,
		`{"properties":"K"}`:            `{"properties":"K"}`,
	} {
		if got := n.Text(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}
