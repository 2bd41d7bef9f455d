package assertion

import (
	"bytes"
	"testing"
	"time"
)

func TestDerive(t *testing.T) {
	for _, a := range []Algorithm{EdDSA, ES256, HS256} {
		t.Run(string(a), func(t *testing.T) {
			st := newMemory()
			first := derive(t, open(t, st, validOptions(a)), "one")
			again := derive(t, open(t, st, validOptions(a)), "one")
			other := derive(t, open(t, st, validOptions(a)), "two")
			if len(first) != 1 || len(first[0]) != 32 {
				t.Fatalf("%d secrets", len(first))
			}
			if !bytes.Equal(first[0], again[0]) {
				t.Error("the same key and label give different secrets")
			}
			if bytes.Equal(first[0], other[0]) {
				t.Error("different labels give the same secret")
			}
		})
	}
}

func derive(t *testing.T, s *Signer, label string) [][]byte {
	t.Helper()
	secrets, err := s.Derive(label, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return secrets
}
