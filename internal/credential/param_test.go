package credential

import (
	"errors"
	"testing"
)

func TestParamValue(t *testing.T) {
	for _, tc := range []struct {
		name, raw, want string
		ok              bool
		err             error
	}{
		{"alone", "_id=a1", "a1", true, nil},
		{"among others", "x=1&_id=a1&y=2", "a1", true, nil},
		{"decoded", "_id=a%2Db", "a-b", true, nil},
		{"encoded name", "%5Fid=a1", "a1", true, nil},
		{"twice the same", "_id=a1&_id=a1", "a1", true, nil},
		{"no query", "", "", false, nil},
		{"absent", "id=a1", "", false, nil},
		{"empty", "_id=", "", false, nil},
		{"twice, once empty", "_id=a1&_id=", "", false, ErrQuery},
		{"twice, once empty before", "_id=&_id=a1", "", false, ErrQuery},
		{"twice, once without a value", "_id=a1&_id", "", false, ErrQuery},
		{"twice, different", "_id=a1&_id=a2", "", false, ErrQuery},
		{"other case, different", "_id=a1&_ID=a2", "", false, ErrQuery},
		{"semicolon", "_id=a1;x=1", "", false, ErrQuery},
		{"semicolon before", "x=1;_id=a1", "", false, ErrQuery},
		{"bad escape", "_id=%zz", "", false, ErrQuery},
		{"array", "_id[]=a1", "", false, ErrQuery},
		{"control character", "_id=a%00", "", false, ErrQuery},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p, err := NewParam("_id")
			if err != nil {
				t.Fatal(err)
			}
			got, ok, err := p.Value(tc.raw)
			if got != tc.want || ok != tc.ok || !errors.Is(err, tc.err) {
				t.Errorf("Value(%q) = %q, %t, %v; want %q, %t, %v", tc.raw, got, ok, err, tc.want, tc.ok, tc.err)
			}
		})
	}
}
