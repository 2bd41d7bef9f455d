package assertion

import (
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// kidOf returns the kid in the header of a token.
func kidOf(t *testing.T, token string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[0])
	if err != nil {
		t.Fatal(err)
	}
	var header struct{ Kid string }
	if err := json.Unmarshal(b, &header); err != nil {
		t.Fatal(err)
	}
	return header.Kid
}

// TestStatus follows the keys through rotations, due ones and an early one: what
// the status says of the next key comes true.
func TestStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		o.Rotate = time.Hour
		s := open(t, newMemory(), o)
		for i := range 3 {
			st := s.Status(time.Now())
			if st.KeyID != kidOf(t, sign(t, s, &Claims{}, time.Now())) || st.NextKeyID != "" || st.Age > time.Second {
				t.Fatalf("rotation %d: %+v", i, st)
			}
			if i == 2 {
				if err := s.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
				if early := s.Status(time.Now()); early.NextAt.After(st.NextAt) || early.NextKeyID == "" {
					t.Errorf("after an early rotation: %+v", early)
				}
			}
			time.Sleep(time.Until(s.Status(time.Now()).NextAt) - time.Second)
			before := s.Status(time.Now())
			if before.KeyID != st.KeyID || before.NextKeyID == "" || kidOf(t, sign(t, s, &Claims{}, time.Now())) != st.KeyID {
				t.Errorf("rotation %d, a second before: %+v, at first %+v", i, before, st)
			}
			time.Sleep(time.Second)
			if kid := kidOf(t, sign(t, s, &Claims{}, time.Now())); kid != before.NextKeyID {
				t.Errorf("rotation %d: key %s signs, want %s", i, kid, before.NextKeyID)
			}
		}
	})
}

func TestStatusOfSecret(t *testing.T) {
	if st := open(t, nil, validOptions(HS256)).Status(time.Now()); st != (Status{}) {
		t.Errorf("%+v", st)
	}
}
