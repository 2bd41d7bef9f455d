package verify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/verify"
)

// check fails the test unless a request with a token of the key gets that code.
func check(t *testing.T, v *verify.Verifier, k signingKey, want string) {
	t.Helper()
	if got := code(t, v, post("", k.token(claims()))); got != want {
		t.Errorf("%s: code %q, want %q", k.kid, got, want)
	}
}

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

// With a request now and then, a backend knows every key before the gate signs with
// it, 10 minutes after it was published.
func TestRotation(t *testing.T) {
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
		check(t, v, after, "") // without a fetch: there is none to be had

		g.fail(http.StatusOK, nil)
		g.publish(after)
		time.Sleep(10 * time.Minute)
		check(t, v, before, verify.CodeInvalid)
		check(t, v, after, "")
	})
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

// Keys of different types may have the same name (RFC 7517 section 4.5).
func TestSameNameForTwoKeys(t *testing.T) {
	ed, ec := newKey(t, "EdDSA", "k"), newKey(t, "ES256", "k")
	v := newVerifier(t, newGate(ed, ec).options())
	for range 20 {
		check(t, v, ed, "")
		check(t, v, ec, "")
	}
}

func TestRedirects(t *testing.T) {
	k := newKey(t, "EdDSA", "k")
	keys := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(encode(members{"keys": []members{k.jwk()}}))
	}
	other := httptest.NewServer(http.HandlerFunc(keys))
	defer other.Close()
	mux := http.NewServeMux()
	mux.HandleFunc("/keys", keys)
	mux.Handle("/here", http.RedirectHandler("/keys", http.StatusFound))
	mux.Handle("/round", http.RedirectHandler("/round", http.StatusFound))
	mux.Handle("/there", http.RedirectHandler(other.URL, http.StatusFound))
	srv := httptest.NewServer(mux)
	defer srv.Close()
	for path, want := range map[string]string{
		"/keys": "", "/here": "", "/round": verify.CodeNoKeys, "/there": verify.CodeNoKeys, "/nowhere": verify.CodeNoKeys,
	} {
		v := newVerifier(t, verify.Options{JWKS: srv.URL + path, Audience: "backend", Client: srv.Client()})
		if got := code(t, v, post("", k.token(claims()))); got != want {
			t.Errorf("%s: code %q, want %q", path, got, want)
		}
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
