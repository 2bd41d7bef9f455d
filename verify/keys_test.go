//go:build go1.25

package verify_test

// The tests of this file run in the fake time of testing/synctest.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

// fetched fails the test unless the key set was fetched so often since the last time.
func fetched(t *testing.T, g *gate, want int) {
	t.Helper()
	synctest.Wait()
	if got := g.fetched(); got != want {
		t.Errorf("%d fetches, want %d", got, want)
	}
}

func TestKeysAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		v := newVerifier(t, g.options())
		fetched(t, g, 0)
		for range 100 {
			check(t, v, k, "")
		}
		fetched(t, g, 1)
	})
}

func TestKeysAreFetchedAgainInTime(t *testing.T) {
	for maxAge, interval := range map[int]time.Duration{
		600: 5 * time.Minute, 86400: 5 * time.Minute, 120: time.Minute, 1: 10 * time.Second, 0: 10 * time.Second,
	} {
		t.Run(fmt.Sprintf("max-age=%d", maxAge), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newKey(t, "EdDSA", "k")
				g := newGate(k)
				g.maxAge = maxAge
				v := newVerifier(t, g.options())
				check(t, v, k, "")
				fetched(t, g, 1)
				time.Sleep(interval - time.Second)
				check(t, v, k, "")
				fetched(t, g, 0)
				time.Sleep(time.Second)
				check(t, v, k, "")
				fetched(t, g, 1)
			})
		})
	}
}

func TestRotationReplacesKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := newKey(t, "EdDSA", "before"), newKey(t, "EdDSA", "after")
		g := newGate(before)
		v := newVerifier(t, g.options())
		check(t, v, before, "")
		g.publish(before, after)
		for range 10 {
			time.Sleep(time.Minute)
			check(t, v, before, "")
		}
		synctest.Wait()
		g.fail(http.StatusBadGateway, nil)
		check(t, v, after, "") // without a fetch, which would fail

		g.fail(http.StatusOK, nil)
		g.publish(after)
		time.Sleep(10 * time.Minute)
		check(t, v, before, verify.CodeInvalid)
		check(t, v, after, "")
	})
}

// schedule is when a gate that rotates its keys publishes them and signs with them: one
// signs for as long as rotate says, is in the key set for max-age before that, and
// until its last token has expired on every gate.
type schedule struct {
	keys           []signingKey
	rotate, maxAge time.Duration
}

func newSchedule(t *testing.T, rotate time.Duration) schedule {
	t.Helper()
	s := schedule{rotate: rotate, maxAge: min(rotate/4, 10*time.Minute)}
	for i := range 8 {
		s.keys = append(s.keys, newKey(t, "EdDSA", fmt.Sprint("key ", i)))
	}
	return s
}

// published returns the keys that are in the set, that long after the start.
func (s schedule) published(at time.Duration) (keys []signingKey) {
	for i, k := range s.keys {
		signsFrom := time.Duration(i) * s.rotate
		if at >= signsFrom-s.maxAge && at < signsFrom+s.rotate+time.Minute+s.maxAge {
			keys = append(keys, k)
		}
	}
	return keys
}

// A backend that is asked now and then, and six rotations of its gate: it knows every
// key before the gate signs with it, so that the gate may even be out at that time.
func TestRotations(t *testing.T) {
	for _, rotate := range []time.Duration{10 * time.Minute, time.Hour} {
		t.Run(rotate.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, begin, last := newSchedule(t, rotate), time.Now(), 0
				g := newGate(s.published(0)...)
				g.maxAge = int(s.maxAge.Seconds())
				v := newVerifier(t, g.options())
				for step := 0 * time.Second; time.Since(begin) < 6*rotate; step = (step + 17*time.Second) % time.Minute {
					signing := int(time.Since(begin) / rotate)
					token := s.keys[signing].token(claims())
					time.Sleep(step) // the gate uses a token more than once
					g.publish(s.published(time.Since(begin))...)
					if signing != last {
						synctest.Wait()
						g.fail(http.StatusBadGateway, nil)
					}
					if got := code(t, v, post("", token)); got != "" {
						t.Fatalf("after %s: code %q", time.Since(begin), got)
					}
					g.fail(http.StatusOK, nil)
					last = signing
				}
			})
		})
	}
}

func TestUnknownKeyIsLookedForAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := newKey(t, "EdDSA", "before"), newKey(t, "ES256", "after")
		g := newGate(before)
		v := newVerifier(t, g.options())
		check(t, v, before, "")
		g.publish(after)
		time.Sleep(5 * time.Second)
		check(t, v, after, "")
		check(t, v, before, verify.CodeInvalid)
		fetched(t, g, 2)
	})
}

func TestFloodOfUnknownKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		v := newVerifier(t, g.options())
		for range 60 { // for a minute
			var wg sync.WaitGroup
			for i := range 5 {
				forged := signingKey{k.alg, fmt.Sprint("unknown ", i), k.private}
				wg.Go(func() { check(t, v, forged, verify.CodeInvalid) })
				wg.Go(func() { check(t, v, k, "") })
			}
			wg.Wait()
			time.Sleep(time.Second)
		}
		fetched(t, g, 12) // one every 5 seconds
	})
}

// A fetch that hangs holds up those who cannot do without it, and nobody else.
func TestKnownKeysDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		v := newVerifier(t, g.options())
		check(t, v, k, "")
		g.behave(func(r *http.Request) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() })
		time.Sleep(5 * time.Minute)
		begin := time.Now()
		waiting := make(chan time.Duration, 1)
		go func() {
			check(t, v, newKey(t, "EdDSA", "unknown"), verify.CodeNoKeys)
			waiting <- time.Since(begin)
		}()
		synctest.Wait()
		check(t, v, k, "")
		if took := time.Since(begin); took != 0 {
			t.Errorf("a known key waited for %s", took)
		}
		if took := <-waiting; took != 5*time.Second {
			t.Errorf("an unknown key waited for %s", took)
		}
	})
}

// While the gate does not answer, only the first to notice waits.
func TestKnownKeysDoNotWaitInAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		v := newVerifier(t, g.options())
		check(t, v, k, "")
		g.behave(func(r *http.Request) (int, error) { <-r.Context().Done(); return 0, r.Context().Err() })
		for i, want := range []time.Duration{5 * time.Second, 0, 0} {
			time.Sleep(time.Hour)
			begin := time.Now()
			check(t, v, k, "")
			if took := time.Since(begin); took != want {
				t.Errorf("request %d waited for %s, want %s", i, took, want)
			}
		}
		time.Sleep(6 * time.Second) // until the last fetch is over
	})
}

// A request that gives up does not wait on, and does not end the fetch for others.
func TestWaitingEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		v := newVerifier(t, g.options())
		g.behave(func(*http.Request) (int, error) { time.Sleep(3 * time.Second); return 200, nil })
		r := post("", k.token(claims()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if got := code(t, v, r.WithContext(ctx)); got != verify.CodeNoKeys {
			t.Errorf("code %q", got)
		}
		check(t, v, k, "")
		fetched(t, g, 1)
	})
}

func TestOutageAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		v := newVerifier(t, g.options())
		g.fail(0, errors.New("connection refused"))
		for range 10 {
			check(t, v, k, verify.CodeNoKeys)
		}
		fetched(t, g, 1)
		g.fail(http.StatusOK, nil)
		time.Sleep(5 * time.Second)
		check(t, v, k, "")
		fetched(t, g, 1)
	})
}

func TestOutageLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t, "EdDSA", "k")
		g := newGate(k)
		var logged strings.Builder
		o := g.options()
		o.Log = slog.New(slog.NewTextHandler(&logged, nil))
		v := newVerifier(t, o)
		check(t, v, k, "")
		g.fail(http.StatusServiceUnavailable, nil)
		for range 24*6 - 1 {
			time.Sleep(10 * time.Minute)
			check(t, v, k, "")
		}
		check(t, v, newKey(t, "EdDSA", "new"), verify.CodeNoKeys) // it may be there by now
		time.Sleep(10 * time.Minute)
		check(t, v, k, verify.CodeNoKeys)
		g.fail(http.StatusOK, nil)
		time.Sleep(5 * time.Second)
		check(t, v, k, "")
		if got := logged.String(); strings.Count(got, "cannot be read") != 1 || strings.Count(got, "can be read again") != 1 {
			t.Errorf("log:\n%s", got)
		}
	})
}

// After a quiet night, keys are believed only after they were looked up.
func TestIdleBackendAsksFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		withdrawn, k := newKey(t, "EdDSA", "withdrawn"), newKey(t, "EdDSA", "k")
		g := newGate(withdrawn)
		v := newVerifier(t, g.options())
		check(t, v, withdrawn, "")
		g.publish(k)
		time.Sleep(10 * time.Minute)
		check(t, v, withdrawn, verify.CodeInvalid)
	})
}

func TestUselessKeySetIsNotTaken(t *testing.T) {
	k := newKey(t, "EdDSA", "k")
	huge := newKey(t, "EdDSA", strings.Repeat("k", 256<<10))
	private := k.jwk().with("d", b64(make([]byte, 32)))
	for name, keys := range map[string][]members{
		"empty": {}, "huge": {k.jwk(), huge.jwk()}, "a private key": {private},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := newGate(k)
				v := newVerifier(t, g.options())
				check(t, v, k, "")
				fetched(t, g, 1)
				g.keys = keys
				time.Sleep(time.Hour)
				check(t, v, k, "")
				fetched(t, g, 1)
				check(t, newVerifier(t, g.options()), k, verify.CodeNoKeys)
			})
		})
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "jwks.json")
	write := func(content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		before, after := newKey(t, "EdDSA", "before"), newKey(t, "ES256", "after")
		v := newVerifier(t, verify.Options{JWKS: path, Audience: "backend"})
		check(t, v, before, verify.CodeNoKeys)
		write(encode(members{"keys": []members{before.jwk()}}))
		time.Sleep(time.Second)
		check(t, v, before, "")
		write(encode(members{"keys": []members{after.jwk()}}))
		time.Sleep(2 * time.Second)
		check(t, v, before, verify.CodeInvalid)
		check(t, v, after, "")
		write([]byte(`{"keys":[`))
		time.Sleep(2 * time.Second)
		check(t, v, after, "")
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		check(t, v, after, "")
	})
}
