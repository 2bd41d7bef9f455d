package gate

import (
	"testing"

	"google.golang.org/grpc/codes"
)

// TestVerdicts is for rows that were forgotten, in part or whole: a verdict without a
// name would be counted and logged as nothing.
func TestVerdicts(t *testing.T) {
	names := make(map[string]Verdict)
	for i := range verdicts {
		v, row := Verdict(i), verdicts[i]
		if row.name == "" {
			t.Errorf("verdict %d has no row", i)
			continue
		}
		if other, twice := names[row.name]; twice {
			t.Errorf("%s: rows %d and %d", row.name, other, v)
		}
		names[row.name] = v
		if v == allowed {
			continue
		}
		if row.status.http < 400 || row.status.grpc == codes.OK || row.message == "" {
			t.Errorf("%s: %+v", row.name, row)
		}
		if row.code == row.name {
			t.Errorf("%s: the code is the name unless it is another", row.name)
		}
	}
}
