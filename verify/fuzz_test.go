package verify_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// FuzzVerify checks that nothing panics and that nothing is accepted but the
// assertions that were signed for this backend.
func FuzzVerify(f *testing.F) {
	ed, ec := newKey(f, "EdDSA", "ed"), newKey(f, "ES256", "ec")
	v := newVerifier(f, newGate(ed, ec).options())
	forever := claims().with("exp", time.Now().Add(1000*time.Hour).Unix())
	good := []string{ed.token(forever), ec.token(forever), ed.token(forever.with("aud", []string{"other", "backend"}))}
	bad := []string{
		ed.token(forever.with("aud", "other")), ed.token(forever.with("exp", nil)), newKey(f, "EdDSA", "ed").token(forever),
		ed.confused(rawPublic(ed)[1]), ec.confused(rawPublic(ec)[1]),
	}
	for _, token := range slices.Concat(good, bad) {
		f.Add(token)
		parts := strings.Split(token, ".")
		f.Add(parts[0] + "." + parts[1] + ".")
		f.Add(b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + parts[1] + ".")
		f.Add(b64([]byte(`{"alg":"HS256","kid":"ec","typ":"JWT"}`)) + "." + parts[1] + "." + parts[2])
	}
	f.Add("")
	f.Add("..")
	f.Fuzz(func(t *testing.T, token string) {
		if code(t, v, post("", token)) == "" && !slices.ContainsFunc(good, func(g string) bool { return sameSigned(g, token) }) {
			t.Errorf("accepted %q", token)
		}
	})
}

// sameSigned reports whether two tokens have the same signed part. Signatures can
// be written in more than one way: their last character has bits that are not used.
func sameSigned(a, b string) bool {
	signed := func(token string) string { return token[:strings.LastIndexByte(token, '.')] }
	return signed(a) == signed(b)
}
