package verify_test

import "testing"

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"EdDSA", "ES256"} {
		k := newKey(b, alg, "k")
		v := newVerifier(b, newGate(k).options())
		for name, claims := range map[string]members{"unbound": claims(), "bound": bound("POST", "/v1/a%2Fb", "x=1", "")} {
			b.Run(alg+" "+name, func(b *testing.B) {
				r := post("", k.token(claims.with("exp", 9999999999)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := v.Verify(r); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
