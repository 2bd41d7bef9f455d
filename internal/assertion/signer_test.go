package assertion

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestRotation(t *testing.T) {
	tests := []struct {
		algorithm   Algorithm
		rotate, ttl time.Duration
		writes      int // first key, three successors, and the removals by then
	}{
		{EdDSA, 2 * time.Hour, time.Minute, 7},
		{ES256, time.Hour, 5 * time.Minute, 7},
		{EdDSA, time.Hour, time.Hour, 6},
		{EdDSA, time.Minute, 2 * time.Second, 7},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s rotate %s ttl %s", tt.algorithm, tt.rotate, tt.ttl), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := validOptions(tt.algorithm)
				o.Rotate, o.TTL = tt.rotate, tt.ttl
				st := newMemory()
				l := newLedger(open(t, st, o), o)
				for start := time.Now(); time.Since(start) < 7*o.Rotate/2; time.Sleep(o.Rotate / 101) {
					l.step(t)
				}
				if len(l.order) != 4 {
					t.Errorf("%d keys have signed in three and a half rotations, want 4", len(l.order))
				}
				if n := st.storeCount(); n != tt.writes {
					t.Errorf("the document was written %d times, want %d", n, tt.writes)
				}
			})
		})
	}
}

func TestKeyAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		o.Rotate = time.Hour
		s := open(t, newMemory(), o)
		var got []time.Duration
		for range 5 {
			got = append(got, s.KeyAge(time.Now()).Round(time.Second))
			time.Sleep(25 * time.Minute)
		}
		want := []time.Duration{0, 25 * time.Minute, 50 * time.Minute, 15 * time.Minute, 40 * time.Minute}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ages (-want +got):\n%s", diff)
		}
		if age := s.KeyAge(time.Now().Add(-1000 * time.Hour)); age != 0 {
			t.Errorf("age before the key was made: %s", age)
		}
	})
}

func TestRotateNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		st := newMemory()
		l := newLedger(open(t, st, o), o)
		l.step(t)
		for range 3 { // the second and third find a key waiting
			if err := l.signer.Rotate(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(readJWKS(t, l.signer.JWKS())); n != 2 {
			t.Fatalf("%d keys published, want 2", n)
		}
		for range 30 {
			l.step(t)
			time.Sleep(time.Minute)
		}
		if len(l.order) != 2 {
			t.Fatalf("%d keys have signed, want 2", len(l.order))
		}
		if n := len(readJWKS(t, l.signer.JWKS())); n != 1 {
			t.Errorf("%d keys published after the old one retired, want 1", n)
		}
		if err := l.signer.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(readJWKS(t, l.signer.JWKS())); n != 2 {
			t.Errorf("%d keys published after another rotation, want 2", n)
		}
	})
}

// A new key is stored also if nothing else in the document changes with it.
func TestRotateStoresNewKey(t *testing.T) {
	st := newMemory()
	s := open(t, st, validOptions(EdDSA))
	path, document := st.document(t)
	st.put(path, bytes.Replace(document, []byte(`"jwk"`), []byte(`"retire":"9999-01-01T00:00:00Z","jwk"`), 1))
	if err := s.Rotate(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, document = st.document(t)
	keys, err := decodeDocument(EdDSA, document)
	if err != nil || len(keys) != 2 {
		t.Errorf("%d keys stored, want 2 (%v)", len(keys), err)
	}
}

// A refresh that began before a rotation must not bring the old key set back.
func TestRotateDuringRefresh(t *testing.T) {
	o := validOptions(EdDSA)
	o.TTL, o.Rotate = time.Second, 10*time.Second // polls every 250 ms
	st := newMemory()
	s := open(t, st, o)
	entered, release := make(chan struct{}), make(chan struct{})
	var slow atomic.Bool
	slow.Store(true)
	st.mu.Lock()
	st.loaded = func() {
		if slow.CompareAndSwap(true, false) { // only the first
			close(entered)
			<-release
		}
	}
	st.mu.Unlock()
	<-entered
	rotated := make(chan error, 1)
	go func() { rotated <- s.Rotate(t.Context()) }()
	time.Sleep(20 * time.Millisecond) // if the rotation does not wait, it is over by now
	close(release)
	if err := <-rotated; err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if n := len(readJWKS(t, s.JWKS())); n != 2 {
			t.Fatalf("%d keys published, want 2", n)
		}
		time.Sleep(time.Millisecond)
	}
}

func TestSharedStorage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		o.Rotate, o.TTL = time.Hour, 10*time.Minute
		st := newMemory()
		a := newLedger(open(t, st, o), o)
		time.Sleep(17 * time.Second) // so that they poll at different times
		b := newLedger(open(t, st, o), o)
		for start := time.Now(); time.Since(start) < 4*o.Rotate; time.Sleep(37 * time.Second) {
			a.step(t, b)
			b.step(t, a)
			if i := int(time.Since(start) / (37 * time.Second)); i%101 == 100 {
				if err := b.signer.Rotate(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if diff := cmp.Diff(a.order, b.order); diff != "" {
			t.Errorf("keys used (-a +b):\n%s", diff)
		}
		if len(a.order) < 5 {
			t.Errorf("only %d keys were used", len(a.order))
		}
	})
}

// Many instances that start at once with an empty storage agree on one key.
func TestOpenTogether(t *testing.T) {
	tests := []struct {
		name      string
		storage   Storage
		instances int
	}{
		{"memory", newMemory(), 8},
		{"files", &certmagic.FileStorage{Path: t.TempDir()}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sets := make([][]byte, tt.instances)
			var wg sync.WaitGroup
			for i := range sets {
				wg.Go(func() {
					s, err := Open(t.Context(), tt.storage, validOptions(EdDSA), nil)
					if err != nil {
						t.Error(err)
						return
					}
					sets[i] = s.JWKS()
					s.Close()
				})
			}
			wg.Wait()
			for _, set := range sets {
				if !bytes.Equal(set, sets[0]) || len(readJWKS(t, set)) != 1 {
					t.Errorf("key sets differ: %s and %s", set, sets[0])
				}
			}
		})
	}
}

func TestReopenKeepsKeys(t *testing.T) {
	for _, a := range []Algorithm{EdDSA, ES256} {
		t.Run(string(a), func(t *testing.T) {
			st := newMemory()
			first, err := Open(t.Context(), st, validOptions(a), nil)
			if err != nil {
				t.Fatal(err)
			}
			token := sign(t, first, &Claims{}, time.Now())
			first.Close()
			if _, err := verify(t, token, open(t, st, validOptions(a)).JWKS()); err != nil {
				t.Error(err)
			}
			if path, _ := st.document(t); path != "ingest_auth/signing/"+string(a)+".json" {
				t.Errorf("keys are stored at %s", path)
			}
		})
	}
}

// A longer ttl in the configuration keeps a key that is already retiring.
func TestReopenWithLongerTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		st := newMemory()
		before := newLedger(open(t, st, o), o)
		before.step(t)
		if err := before.signer.Rotate(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		o.TTL = 3 * time.Hour
		after := newLedger(open(t, st, o), o)
		after.first = before.first
		for range 200 {
			after.step(t)
			time.Sleep(time.Minute)
		}
		if len(after.order) != 2 {
			t.Errorf("%d keys have signed, want 2", len(after.order))
		}
	})
}

var errOutage = errors.New("storage is on holiday")

// observe returns a logger and what was logged with it.
func observe() (*zap.Logger, *observer.ObservedLogs) {
	core, logs := observer.New(zapcore.DebugLevel)
	return zap.New(core), logs
}

func levels(logs *observer.ObservedLogs) []zapcore.Level {
	var out []zapcore.Level
	for _, e := range logs.All() {
		out = append(out, e.Level)
	}
	return out
}

// An outage anywhere around a rotation delays it, breaks no promise, and is logged
// once. Where only the answer to a write is lost, every write is an outage of its
// own.
func TestStorageOutage(t *testing.T) {
	tests := []struct {
		operations []string
		perWrite   bool
	}{
		{[]string{"load"}, false},
		{[]string{"store"}, false},
		{[]string{"load", "store", "lock", "unlock"}, false},
		{[]string{"stored"}, true},
		{[]string{"unlock"}, true},
	}
	windows := [][2]time.Duration{ // after the start; the rotation is published at 49m and due at 60m
		{30 * time.Minute, 70 * time.Minute},
		{48 * time.Minute, 62 * time.Minute},
		{30 * time.Minute, 130 * time.Minute},
	}
	for _, tt := range tests {
		for _, w := range windows {
			name := fmt.Sprintf("%s from %s until %s", strings.Join(tt.operations, " "), w[0], w[1])
			t.Run(name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					got := testOutage(t, tt.operations, w[0], w[1])
					want := []zapcore.Level{zap.ErrorLevel, zap.InfoLevel}
					for tt.perWrite && len(want) < len(got) {
						want = append(want, zap.ErrorLevel, zap.InfoLevel)
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("log levels (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

func testOutage(t *testing.T, operations []string, from, until time.Duration) []zapcore.Level {
	t.Helper()
	o := validOptions(EdDSA)
	o.Rotate = time.Hour
	log, logs := observe()
	st := newMemory()
	s, err := Open(t.Context(), st, o, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	l := newLedger(s, o)
	for start := time.Now(); time.Since(start) < until+40*time.Minute; time.Sleep(37 * time.Second) {
		switch since := time.Since(start); {
		case since >= until:
			st.failing(nil)
		case since >= from:
			st.failing(errOutage, operations...)
		}
		l.step(t)
	}
	if len(l.order) < 2 {
		t.Error("the rotation was not made up for")
	}
	if e := logs.All()[0]; !strings.Contains(fmt.Sprint(e.ContextMap()), errOutage.Error()) {
		t.Errorf("the log does not give the cause: %v", e)
	}
	return levels(logs)
}

// An instance that could not read the storage while another rotated goes on with
// the old key until it has published the new one, as long as that is possible.
func TestLateInstance(t *testing.T) {
	tests := []struct {
		name         string
		back, change time.Duration // after the start; the new key signs from 60m
	}{
		{"back in time", 49 * time.Minute, 60 * time.Minute},
		{"back before the change", 55 * time.Minute, 65 * time.Minute},
		{"back after the change", 64 * time.Minute, 70 * time.Minute},
		{"back long after the change", 90 * time.Minute, 90 * time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := validOptions(EdDSA)
				o.Rotate = time.Hour
				mem := newMemory()
				late := &link{memory: mem}
				start := time.Now()
				removed := start.Add(o.Rotate + o.TTL + 10*time.Minute)
				onTime := open(t, mem, o)
				s := open(t, late, o)
				first := s.active(time.Now()).id
				late.down.Store(true)
				time.Sleep(tt.back)
				late.down.Store(false)
				for s.active(time.Now()).id == first {
					token := sign(t, s, &Claims{}, time.Now())
					time.Sleep(5 * time.Second)
					if _, err := verify(t, token, onTime.JWKS()); err != nil && time.Now().Before(removed) {
						t.Fatal(err)
					}
				}
				// The storage may come back just behind a poll, and the loop looks every 5 s.
				if got := time.Since(start); got < tt.change || got > tt.change+time.Minute+5*time.Second {
					t.Errorf("changed over after %s, want %s", got, tt.change)
				}
				if s.active(time.Now()).id != onTime.active(time.Now()).id {
					t.Error("the instances sign with different keys")
				}
			})
		})
	}
}

func TestOpenFails(t *testing.T) {
	const path = "ingest_auth/signing/EdDSA.json"
	damaged := func(m *memory) { m.put(path, []byte(sampleDocument[:200])) }
	tests := []struct {
		name    string
		prepare func(*memory)
		options Options
		want    string
	}{
		{"wrong options", func(*memory) {}, Options{}, "issuer is missing"},
		{"cannot read", func(m *memory) { m.failing(errOutage, "load") }, validOptions(EdDSA), errOutage.Error()},
		{"cannot lock", func(m *memory) { m.failing(errOutage, "lock") }, validOptions(EdDSA), errOutage.Error()},
		{"cannot write", func(m *memory) { m.failing(errOutage, "store") }, validOptions(EdDSA), errOutage.Error()},
		{"cannot unlock", func(m *memory) { m.failing(errOutage, "unlock") }, validOptions(EdDSA), errOutage.Error()},
		{"damaged", damaged, validOptions(EdDSA), path + ": the document is damaged (it is not the expected JSON): restore it from a backup, or delete it"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			st := newMemory()
			tt.prepare(st)
			s, err := Open(t.Context(), st, tt.options, nil)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("error %v, want one with %q", err, tt.want)
			}
			if s != nil {
				t.Error("a signer was returned with the error")
			}
		})
	}
}

func TestOpenGivesUpWithContext(t *testing.T) {
	st := newMemory()
	if err := st.Lock(t.Context(), "ingest_auth_signing_EdDSA.json"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := Open(ctx, st, validOptions(EdDSA), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want %v", err, context.DeadlineExceeded)
	}
}

// While the document is damaged, the keys in use go on, the document is left
// alone, and the damage is logged once. Afterwards rotation goes on.
func TestDamagedWhileRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		o.Rotate = time.Hour
		log, logs := observe()
		st := newMemory()
		s, err := Open(t.Context(), st, o, log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		l := newLedger(s, o)
		path, good := st.document(t)
		broken := good[:len(good)/2]
		st.put(path, broken)
		for range 90 {
			l.step(t)
			time.Sleep(time.Minute)
		}
		if err := s.Rotate(t.Context()); err == nil {
			t.Error("rotated over a damaged document")
		}
		if _, now := st.document(t); !bytes.Equal(now, broken) {
			t.Error("the damaged document was overwritten")
		}
		if len(l.order) != 1 {
			t.Errorf("%d keys have signed, want 1", len(l.order))
		}
		st.put(path, good)
		for range 30 {
			l.step(t)
			time.Sleep(time.Minute)
		}
		if len(l.order) != 2 {
			t.Errorf("%d keys have signed after the repair, want 2", len(l.order))
		}
		if diff := cmp.Diff([]zapcore.Level{zap.ErrorLevel, zap.InfoLevel}, levels(logs)); diff != "" {
			t.Errorf("log levels (-want +got):\n%s", diff)
		}
		if got := fmt.Sprint(logs.All()[0].ContextMap()); !strings.Contains(got, "damaged") {
			t.Errorf("the log does not tell of the damage: %s", got)
		}
	})
}

func TestVanishedDocumentIsStoredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, logs := observe()
		st := newMemory()
		s, err := Open(t.Context(), st, validOptions(EdDSA), log)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		path, before := st.document(t)
		st.put(path, nil)
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if _, after := st.document(t); !bytes.Equal(before, after) {
			t.Error("another document was stored")
		}
		if diff := cmp.Diff([]zapcore.Level{zap.WarnLevel}, levels(logs)); diff != "" {
			t.Errorf("log levels (-want +got):\n%s", diff)
		}
	})
}

// A storage that hangs for a while is a failure like any other, even if it never
// answers the calls of that time.
func TestHungStorage(t *testing.T) {
	const lock = "ingest_auth_signing_EdDSA.json"
	tests := []struct {
		name         string
		hang, resume func(context.Context, *memory) error
	}{
		{
			"lock", func(ctx context.Context, m *memory) error { return m.Lock(ctx, lock) },
			func(ctx context.Context, m *memory) error { return m.Unlock(ctx, lock) },
		},
		{
			"load", func(_ context.Context, m *memory) error { m.failing(errHang, "load"); return nil },
			func(_ context.Context, m *memory) error { m.failing(nil); return nil },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := validOptions(EdDSA)
				o.Rotate = time.Hour
				log, logs := observe()
				st := newMemory()
				s, err := Open(t.Context(), st, o, log)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(s.Close)
				l := newLedger(s, o)
				steps := func(n int) {
					for range n {
						l.step(t)
						time.Sleep(time.Minute)
					}
				}
				if err := tt.hang(t.Context(), st); err != nil {
					t.Fatal(err)
				}
				steps(70)
				if err := tt.resume(t.Context(), st); err != nil {
					t.Fatal(err)
				}
				steps(15)
				if len(l.order) != 2 {
					t.Errorf("%d keys have signed, want 2", len(l.order))
				}
				if diff := cmp.Diff([]zapcore.Level{zap.ErrorLevel, zap.InfoLevel}, levels(logs)); diff != "" {
					t.Errorf("log levels (-want +got):\n%s", diff)
				}
			})
		})
	}
}

func TestCloseWhileStorageHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := validOptions(EdDSA)
		o.Rotate = time.Hour
		log, logs := observe()
		st := newMemory()
		s, err := Open(t.Context(), st, o, log)
		if err != nil {
			t.Fatal(err)
		}
		if err := st.Lock(t.Context(), "ingest_auth_signing_EdDSA.json"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(49*time.Minute + time.Second) // it waits for the lock now
		start := time.Now()
		s.Close()
		s.Close()
		if d := time.Since(start); d != 0 {
			t.Errorf("closing took %s", d)
		}
		if logs.Len() != 0 {
			t.Errorf("closing was logged as a failure: %v", logs.All())
		}
		sign(t, s, &Claims{}, time.Now())
	})
}

func TestSecretSigner(t *testing.T) {
	o := validOptions(HS256)
	secret := bytes.Clone(o.Secret)
	s := open(t, nil, o)
	clear(o.Secret) // the signer has its own copy
	if _, err := verifyHMAC(sign(t, s, fullClaims(), time.Now()), secret); err != nil {
		t.Error(err)
	}
	if got := string(s.JWKS()); got != `{"keys":[]}` {
		t.Errorf("key set = %s", got)
	}
	if age, maxAge := s.KeyAge(time.Now()), s.JWKSMaxAge(); age != 0 || maxAge != 0 {
		t.Errorf("age %s, max age %s; want 0", age, maxAge)
	}
	if err := s.Rotate(t.Context()); !errors.Is(err, ErrNoRotation) {
		t.Errorf("Rotate: %v, want %v", err, ErrNoRotation)
	}
}

func TestDefaultAlgorithm(t *testing.T) {
	o := validOptions("")
	s := open(t, newMemory(), o)
	p, err := verify(t, sign(t, s, &Claims{}, time.Now()), s.JWKS())
	if err != nil || p.header.Alg != "EdDSA" {
		t.Errorf("signed with %q: %v", p.header.Alg, err)
	}
	if got := s.JWKSMaxAge(); got != 10*time.Minute {
		t.Errorf("max age = %s", got)
	}
}

// Everything at once, for the race detector.
func TestConcurrentUse(t *testing.T) {
	o := validOptions(EdDSA)
	o.TTL, o.Rotate = time.Second, time.Second // polls every 25 ms
	st := newMemory()
	s := open(t, st, o)
	path, _ := st.document(t)
	deadline := time.Now().Add(1500 * time.Millisecond)
	busy := func(do func()) func() {
		return func() {
			for time.Now().Before(deadline) {
				do()
			}
		}
	}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(busy(func() {
			token := sign(t, s, fullClaims(), time.Now())
			if _, err := verify(t, token, s.JWKS()); err != nil {
				t.Error(err)
			}
			s.KeyAge(time.Now())
		}))
	}
	wg.Go(busy(func() {
		if err := s.Rotate(t.Context()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
		st.put(path, nil)
		time.Sleep(time.Millisecond)
	}))
	wg.Wait()
}
