// Package sourcetest has helpers shared by the tests of the sources and of the cache.
package sourcetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Digest returns one digest for each number.
func Digest(n int) keysync.Digest {
	return keysync.DigestOf(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Entry returns a different key for each number.
func Entry(i int) keysync.Entry {
	return keysync.Entry{Digest: Digest(i), Record: &keysync.Record{KeyID: fmt.Sprintf("key_%d", i), Account: "acme", Mode: keysync.ModeLive}}
}

// Stores tests what every Store must do.
func Stores(t *testing.T, open func(t *testing.T) keysync.Store) {
	for name, test := range map[string]func(t *testing.T, s keysync.Store){
		"create, look up, find, list":  storeCreates,
		"create what is there":         storeLeavesWhatIsThere,
		"key ID taken":                 storeRefusesTakenKeyID,
		"malformed record":             storeRefusesMalformedRecord,
		"update":                       storeUpdates,
		"writers at once lose nothing": storeTakesManyWriters,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func storeCreates(t *testing.T, s keysync.Store) {
	if got := Entries(t, s); len(got) != 0 {
		t.Errorf("a new store has %d entries", len(got))
	}
	var want []keysync.Entry
	for i := range 5 {
		want = append(want, Entry(i))
	}
	existing, err := s.Create(t.Context(), want...)
	if len(existing) != 0 || err != nil {
		t.Fatalf("Create = %v, %v", existing, err)
	}
	if d := cmp.Diff(byDigest(want), byDigest(Entries(t, s))); d != "" {
		t.Errorf("list (-want +got)\n%s", d)
	}
	for _, e := range want {
		rec, err := s.Lookup(t.Context(), e.Digest)
		if d := cmp.Diff(e.Record, rec); d != "" || err != nil {
			t.Errorf("Lookup: %v\n%s", err, d)
		}
		found, err := s.Find(t.Context(), e.Record.KeyID)
		if d := cmp.Diff(e, found); d != "" || err != nil {
			t.Errorf("Find: %v\n%s", err, d)
		}
	}
	for _, id := range []string{"key_none", "", "../key_1", "ids/key_1"} {
		if _, err := s.Find(t.Context(), id); !errors.Is(err, keysync.ErrUnknown) {
			t.Errorf("Find(%q) = %v, want ErrUnknown", id, err)
		}
	}
	if _, err := s.Lookup(t.Context(), Digest(99)); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("Lookup of nothing = %v", err)
	}
}

func storeLeavesWhatIsThere(t *testing.T, s keysync.Store) {
	MustCreate(t, s, Entry(1))
	changed := Entry(1)
	changed.Record.Account = "other"
	existing, err := s.Create(t.Context(), changed, Entry(2))
	if err != nil || len(existing) != 1 || existing[0] != Digest(1) {
		t.Errorf("Create = %v, %v", existing, err)
	}
	if d := cmp.Diff(byDigest([]keysync.Entry{Entry(1), Entry(2)}), byDigest(Entries(t, s))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func storeRefusesTakenKeyID(t *testing.T, s keysync.Store) {
	MustCreate(t, s, Entry(1))
	other := keysync.Entry{Digest: Digest(2), Record: Entry(1).Record}
	if _, err := s.Create(t.Context(), other); !errors.Is(err, keysync.ErrKeyIDTaken) {
		t.Errorf("error %v, want ErrKeyIDTaken", err)
	}
	if n := len(Entries(t, s)); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func storeRefusesMalformedRecord(t *testing.T, s keysync.Store) {
	key, err := keysync.NewKey(keysync.ModeLive)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), keysync.Entry{Digest: Digest(1), Record: &keysync.Record{KeyID: "key_1", Account: key}})
	if err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("error %v", err)
	}
	if n := len(Entries(t, s)); n != 0 {
		t.Errorf("%d entries", n)
	}
}

func storeUpdates(t *testing.T, s keysync.Store) {
	MustCreate(t, s, Entry(1), Entry(2))
	revoked := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	rec, err := s.Update(t.Context(), Digest(1), func(r *keysync.Record) error {
		r.RevokedAt = keysync.MomentOf(revoked)
		return nil
	})
	if err != nil || rec.RevokedAt != keysync.MomentOf(revoked) {
		t.Fatalf("Update = %+v, %v", rec, err)
	}
	want := Entry(1)
	want.Record.RevokedAt = keysync.MomentOf(revoked)
	if d := cmp.Diff(byDigest([]keysync.Entry{want, Entry(2)}), byDigest(Entries(t, s))); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
	stop := errors.New("stop")
	for name, change := range map[string]func(*keysync.Record) error{
		"error":      func(r *keysync.Record) error { r.Account = "x"; return stop },
		"key ID":     func(r *keysync.Record) error { r.KeyID = "key_9"; return nil },
		"bad record": func(r *keysync.Record) error { r.Mode = "x"; return nil },
	} {
		if _, err := s.Update(t.Context(), Digest(2), change); err == nil || name == "error" && !errors.Is(err, stop) {
			t.Errorf("%s: error %v", name, err)
		}
	}
	if d := cmp.Diff(byDigest([]keysync.Entry{want, Entry(2)}), byDigest(Entries(t, s))); d != "" {
		t.Errorf("after failed updates (-want +got)\n%s", d)
	}
	if _, err := s.Update(t.Context(), Digest(9), func(*keysync.Record) error { return nil }); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("Update of nothing = %v", err)
	}
}

func storeTakesManyWriters(t *testing.T, s keysync.Store) {
	MustCreate(t, s, Entry(0))
	var wg sync.WaitGroup
	const n = 8
	for i := range n {
		wg.Go(func() {
			if _, err := s.Create(t.Context(), Entry(i+1)); err != nil {
				t.Error(err)
			}
			_, err := s.Update(t.Context(), Digest(0), func(r *keysync.Record) error {
				r.Scopes = append(r.Scopes, fmt.Sprintf("s%d", i))
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	got := byDigest(Entries(t, s))
	if len(got) != n+1 || len(got[Digest(0)].Scopes) != n {
		t.Errorf("%d entries, scopes %v", len(got), got[Digest(0)].Scopes)
	}
}

// MustCreate adds entries.
func MustCreate(t *testing.T, s keysync.Store, entries ...keysync.Entry) {
	t.Helper()
	if _, err := s.Create(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
}

// Entries returns all that a store lists.
func Entries(t *testing.T, s keysync.Store) (out []keysync.Entry) {
	t.Helper()
	for e, err := range s.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func byDigest(entries []keysync.Entry) map[keysync.Digest]*keysync.Record {
	m := make(map[keysync.Digest]*keysync.Record)
	for _, e := range entries {
		m[e.Digest] = e.Record
	}
	return m
}

// Heap returns how much memory is in use.
func Heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// Expect looks up a digest and checks the outcome. keyID is empty if an error is
// expected.
func Expect(t *testing.T, c keysync.Getter, d keysync.Digest, out keysync.Outcome, keyID string) {
	t.Helper()
	rec, got, err := c.Get(t.Context(), d)
	if got != out {
		t.Errorf("outcome %v (error %v), want %v", got, err, out)
	}
	if (rec != nil) != (keyID != "") || rec != nil && rec.KeyID != keyID {
		t.Errorf("record %+v, want key ID %q", rec, keyID)
	}
	switch out {
	case keysync.OutcomeUnknown:
		if !errors.Is(err, keysync.ErrUnknown) || errors.Is(err, keysync.ErrUnavailable) {
			t.Errorf("error %v, want ErrUnknown", err)
		}
	case keysync.OutcomeError:
		if !errors.Is(err, keysync.ErrUnavailable) || errors.Is(err, keysync.ErrUnknown) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
	default:
		if err != nil {
			t.Errorf("error %v", err)
		}
	}
}
