package assertion

import (
	"testing"
	"time"
)

// open opens a signer that is closed at the end of the test.
func open(t testing.TB, st Storage, o Options) *Signer {
	t.Helper()
	s, err := Open(t.Context(), st, o, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func sign(t testing.TB, s *Signer, c *Claims, now time.Time) string {
	t.Helper()
	token, err := s.Sign(c, now)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
