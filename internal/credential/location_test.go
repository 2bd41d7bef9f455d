package credential

import (
	"slices"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

// TestEveryStyleIsFound is for styles that have a row in config and none here.
func TestEveryStyleIsFound(t *testing.T) {
	styles := config.LocationStyles()
	for _, style := range styles {
		if row := locations[style]; row.find == nil || row.remove == nil {
			t.Errorf("nothing finds or removes %q", style)
		}
	}
	for style := range locations {
		if !slices.Contains(styles, style) {
			t.Errorf("nobody can write %q", style)
		}
	}
}
