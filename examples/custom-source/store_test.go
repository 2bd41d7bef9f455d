package sqlitekeys

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func newStore(t *testing.T) *store {
	t.Helper()
	s, err := openStore(t.Context(), filepath.Join(t.TempDir(), "keys.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func entry(key, id string) keysync.Entry {
	return keysync.Entry{Digest: keysync.DigestOf([]byte(key)), Record: &keysync.Record{KeyID: id, Account: "acme", Mode: keysync.ModeLive}}
}

func createTwo(t *testing.T, s *store) (a, b keysync.Entry) {
	t.Helper()
	a, b = entry("a", "key_a"), entry("b", "key_b")
	if existing, err := s.Create(t.Context(), a, b); err != nil || len(existing) != 0 {
		t.Fatal(existing, err)
	}
	return a, b
}

func TestStoreCreate(t *testing.T) {
	s := newStore(t)
	a, b := createTwo(t, s)
	if existing, err := s.Create(t.Context(), a, entry("c", "key_c")); err != nil || !slices.Equal(existing, []keysync.Digest{a.Digest}) {
		t.Errorf("%v, %v", existing, err)
	}
	if _, err := s.Create(t.Context(), entry("d", "key_d"), entry("e", "key_b")); !errors.Is(err, keysync.ErrKeyIDTaken) {
		t.Errorf("a key ID that is taken: %v", err)
	}
	if _, err := s.Create(t.Context(), entry("f", "not a key ID")); err == nil {
		t.Error("a record that cannot be used was written")
	}
	n := 0
	for range s.List(t.Context()) {
		n++
	}
	if found, err := s.Find(t.Context(), "key_b"); n != 3 || err != nil || found.Digest != b.Digest {
		t.Errorf("%d entries, found %v, %v", n, found, err)
	}
	if _, err := s.Find(t.Context(), "key_d"); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("part of what failed is there: %v", err)
	}
}

func TestStoreUpdate(t *testing.T) {
	s := newStore(t)
	a, _ := createTwo(t, s)
	rec, err := s.Update(t.Context(), a.Digest, func(r *keysync.Record) error { r.Env = "production"; return nil })
	if err != nil || rec.Env != "production" {
		t.Fatal(rec, err)
	}
	for name, change := range map[string]func(*keysync.Record) error{
		"error":      func(r *keysync.Record) error { r.Env = "x"; return context.Canceled },
		"key ID":     func(r *keysync.Record) error { r.KeyID = "key_x"; return nil },
		"bad record": func(r *keysync.Record) error { r.Mode = "x"; return nil },
	} {
		if _, err := s.Update(t.Context(), a.Digest, change); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if rec, err := s.Lookup(t.Context(), a.Digest); err != nil || rec.Env != "production" {
		t.Errorf("%+v, %v", rec, err)
	}
	if _, err := s.Update(t.Context(), keysync.DigestOf(nil), func(*keysync.Record) error { return nil }); !errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("update of nothing: %v", err)
	}
}

// A record that cannot be used is neither an unknown key nor the end of a list.
func TestUnusableRecord(t *testing.T) {
	s := newStore(t)
	a, _ := createTwo(t, s)
	if _, err := s.db.ExecContext(t.Context(), `UPDATE keys SET record = '{"key":"secret"}' WHERE key_id = 'key_a'`); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lookup(t.Context(), a.Digest); !errors.Is(err, keysync.ErrUnusable) || errors.Is(err, keysync.ErrUnknown) {
		t.Errorf("look-up: %v", err)
	}
	good, bad := 0, 0
	for e, err := range s.List(t.Context()) {
		switch {
		case err == nil:
			good++
		case errors.Is(err, keysync.ErrUnusable) && e.Digest == a.Digest:
			bad++
		default:
			t.Error(err)
		}
	}
	if good != 1 || bad != 1 {
		t.Errorf("%d good and %d bad records", good, bad)
	}
}

// told notes what a source tells.
type told struct {
	digests []keysync.Digest
	doubts  int
}

func (c *told) Forget(digests ...keysync.Digest) { c.digests = append(c.digests, digests...) }
func (c *told) Doubt()                           { c.doubts++ }

// Each change is told, and when changes may be missing everything is doubted.
func TestChanges(t *testing.T) {
	s := newStore(t)
	src, err := openSource(t.Context(), s.path, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	var at int64
	look := func(what string, doubts int, changed ...keysync.Digest) {
		t.Helper()
		var c told
		if at, err = src.look(t.Context(), at, &c); err != nil {
			t.Fatal(err)
		}
		if c.doubts != doubts || !slices.Equal(c.digests, changed) {
			t.Errorf("%s: %d doubts and %v, want %d and %v", what, c.doubts, c.digests, doubts, changed)
		}
	}
	exec := func(statement string) {
		t.Helper()
		if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	look("no change yet", 0)
	a, b := createTwo(t, s)
	look("the first", 1)
	look("nothing new", 0)
	exec(`UPDATE keys SET record = record WHERE key_id = 'key_b'`)
	exec(`DELETE FROM keys WHERE key_id = 'key_a'`)
	look("two changes", 0, b.Digest, a.Digest)
	exec(`UPDATE keys SET digest = '` + a.Digest.String() + `'`)
	look("a key replaced", 0, a.Digest, b.Digest)
	for range 1001 {
		exec(`UPDATE keys SET record = record`)
	}
	look("more changes than are kept", 1)
	look("nothing new", 0)
	exec(`DELETE FROM changes; DELETE FROM sqlite_sequence`)
	look("another beginning", 1)
	exec(`UPDATE keys SET record = record`)
	look("its first", 1)
	exec(`UPDATE keys SET record = record`)
	look("its second", 0, a.Digest)
	exec(`DROP TABLE changes`)
	if _, err := src.look(t.Context(), at, new(told)); err == nil {
		t.Error("no error without the table")
	}
}
