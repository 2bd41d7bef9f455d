package assertion

import (
	"testing"
	"time"
)

func BenchmarkSign(b *testing.B) {
	for _, a := range []Algorithm{EdDSA, ES256, HS256} {
		b.Run(string(a), func(b *testing.B) {
			s := open(b, newMemory(), validOptions(a))
			claims, now := fullClaims(), time.Now()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sign(claims, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSignParallel(b *testing.B) {
	s := open(b, newMemory(), validOptions(EdDSA))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		claims, now := fullClaims(), time.Now()
		for pb.Next() {
			if _, err := s.Sign(claims, now); err != nil {
				b.Fatal(err)
			}
		}
	})
}
