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
		{"other case", "_ID=a1", "", false, ErrQuery},
		{"other case, the same", "_id=a1&_Id=a1", "", false, ErrQuery},
		{"leading question mark", "?_id=a2&_id=a1", "", false, ErrQuery},
		{"leading question mark, behind", "_id=a1&?_id=a2", "", false, ErrQuery},
		{"leading question mark of another", "?x=1&_id=a1", "a1", true, nil},
		{"byte-order mark", "%EF%BB%BF_id=a2&_id=a1", "", false, ErrQuery},
		{"bad escape without its percent sign", "_%id=a2&_id=a1", "", false, ErrQuery},
		{"overlong", "_%C1%A9d=a2&_id=a1", "", false, ErrQuery},
		{"as in PHP", ".id=a2&_id=a1", "", false, ErrQuery},
		{"fragment", "x=1#&_id=a1", "", false, ErrQuery},
		{"fragment in the value", "_id=a1#b", "", false, ErrQuery},
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

// TestParamPresent: a parameter is there if no reader finds it missing, empty, or
// without anything to see.
func TestParamPresent(t *testing.T) {
	p, err := NewParam("name")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		raw  string
		want bool
		err  error
	}{
		{"name=n", true, nil},
		{"x=1&name=0", true, nil},
		{"%6eame=a%0ab", true, nil},
		{"name=n&name=m", true, nil},
		{"name=a;b", true, nil},
		{"name=%FF", true, nil},
		{"", false, nil},
		{"x=1", false, nil},
		{"name", false, nil},
		{"name=&name=n", false, nil},
		{"name=n&name", false, nil},
		{"name=+%20%09%0A", false, nil},
		{"name=%C2%A0%E2%80%83%E2%80%8B%EF%BB%BF%00", false, nil},
		{"name=;x=1", false, nil},
		{"Name=n", false, ErrQuery},
		{"name=n&NAME=n", false, ErrQuery},
		{"?name=n", false, ErrQuery},
		{"name[]=n", false, ErrQuery},
		{"x=1;name=n", false, ErrQuery},
		{"x=1#&name=n", false, ErrQuery},
		{"name=%zz", false, ErrQuery},
		{"n%ame=n", false, ErrQuery},
		{"name=n]=m", false, ErrQuery},
		{"name=n;%5d=m", false, ErrQuery},
		{"name=n]&]=m", true, nil},
	} {
		if got, err := p.Present(tc.raw); got != tc.want || !errors.Is(err, tc.err) {
			t.Errorf("%q: %t, %v", tc.raw, got, err)
		}
	}
}
