package vault

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The published schema says what the code does.
func TestChangesSchema(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "schemas", "changes.json"))
	if err != nil {
		t.Fatal(err)
	}
	type schema struct {
		Required             []string
		AdditionalProperties bool
		Properties           struct {
			ID      struct{ Pattern string }
			Last    struct{ Maximum uint64 }
			Digests struct{ MaxItems int }
		}
	}
	got := schema{AdditionalProperties: true}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatal(err)
	}
	want := schema{Required: []string{"id", "last", "digests"}}
	want.Properties.ID.Pattern = feedIDForm.String()
	want.Properties.Last.Maximum = maxNumber
	want.Properties.Digests.MaxItems = maxChanges
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-code +schema)\n%s", d)
	}
}
