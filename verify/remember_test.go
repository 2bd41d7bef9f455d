//go:build go1.25

package verify_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestRememberedAssertionIsCheckedAgain in all but its signature: it expires, and it
// is believed no longer than its key.
func TestRememberedAssertionIsCheckedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		short, k, other := newKey(t, "EdDSA", "short"), newKey(t, "EdDSA", "k"), newKey(t, "EdDSA", "other")
		g := newGate(short, k, other)
		v := newVerifier(t, g.options())
		soon := short.token(claims().with("exp", time.Now().Add(time.Minute).Unix()))
		forever := k.token(claims().with("exp", time.Now().AddDate(1, 0, 0).Unix()))
		want := func(token, want string) {
			t.Helper()
			if got := code(t, v, post("", token)); got != want {
				t.Errorf("code %q, want %q", got, want)
			}
		}
		want(soon, "")
		want(soon, "")
		want(forever, "")
		time.Sleep(time.Minute + 6*time.Second)
		want(soon, "invalid_assertion")
		want(forever, "")

		g.publish(other) // k was withdrawn
		time.Sleep(time.Hour)
		want(forever, "invalid_assertion")
		impostor := newKey(t, "EdDSA", "k")
		g.publish(impostor) // another key of the same name
		time.Sleep(time.Hour)
		want(forever, "invalid_assertion")
		want(impostor.token(claims().with("exp", time.Now().Add(time.Minute).Unix())), "")
	})
}
