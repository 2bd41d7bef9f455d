package cache

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func TestPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		c, err := New(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		a, b, absent := keysync.DigestOf([]byte("a")), keysync.DigestOf([]byte("b")), keysync.DigestOf([]byte("absent"))
		source.setAbsent(absent, true)
		look := func(d keysync.Digest) error { _, err := c.Lookup(t.Context(), d); return err }
		look(a)
		look(b)
		look(absent)
		recA, _ := c.Lookup(t.Context(), a)
		if n := c.Purge(func(r *keysync.Record) bool { return r == recA }); n != 1 || c.Stats().Records != 1 {
			t.Errorf("%d records dropped, %d left", n, c.Stats().Records)
		}
		before := source.total.Load()
		if rec, err := c.Lookup(t.Context(), a); err != nil || rec.KeyID != "read_2" {
			t.Errorf("a dropped record was not read again: %v %v", rec, err)
		}
		look(b)
		look(absent)
		if n := source.total.Load() - before; n != 1 {
			t.Errorf("%d reads, want 1: only one record was dropped", n)
		}
		source.setAbsent(absent, false)
		if n := c.PurgeAll(); n != 2 || c.Stats().Records != 0 || c.Stats().Unknown != 0 {
			t.Errorf("%d records dropped, left are %+v", n, c.Stats())
		}
		if err := look(absent); err != nil {
			t.Errorf("it is still remembered that there was no such key: %v", err)
		}
	})
}

func TestPurgeDropsWhatIsBeingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		c, err := New(source, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		source.set(nil, 100*time.Millisecond)
		d := keysync.DigestOf([]byte("a"))
		go c.Lookup(context.Background(), d)
		synctest.Wait()
		c.PurgeAll()
		time.Sleep(time.Second)
		if n := c.Stats().Records; n != 0 {
			t.Error("a record that was being read when all were dropped is kept: it may be older")
		}
	})
}

func TestUsable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		c, err := New(source, Options{Outage: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if c.Usable() {
			t.Error("an empty cache is usable")
		}
		d := keysync.DigestOf([]byte("a"))
		if _, err := c.Lookup(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		source.set(errDown, 0)
		for range 70 {
			_, err := c.Lookup(t.Context(), d)
			if c.Usable() != (err == nil) || err != nil && !errors.Is(err, keysync.ErrUnavailable) {
				t.Fatalf("usable %t, but a look-up says %v", c.Usable(), err)
			}
			time.Sleep(time.Minute)
		}
		if c.Usable() {
			t.Error("usable beyond the ceiling of outages")
		}
	})
}

// TestKnows: what logs ask is no look-up. It reads nothing, counts nothing and keeps nothing
// from being evicted; it knows what is not fresh any more, and what was refused.
func TestKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		source := newFakeSource()
		c, err := New(source, Options{Size: 2, Fresh: time.Second, Outage: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		first, second, third, absent := keysync.DigestOf([]byte("1")), keysync.DigestOf([]byte("2")), keysync.DigestOf([]byte("3")), keysync.DigestOf([]byte("absent"))
		source.setAbsent(absent, true)
		for _, d := range []keysync.Digest{first, second, absent} {
			_, _ = c.Lookup(t.Context(), d)
		}
		time.Sleep(time.Hour)
		before, reads := c.Stats(), source.total.Load()
		if !c.Knows(first) || !c.Knows(second) || !c.Knows(absent) || c.Knows(third) {
			t.Error("it knows something else than what was looked up")
		}
		if c.Stats() != before || source.total.Load() != reads {
			t.Errorf("%+v and %d reads, before %+v and %d", c.Stats(), source.total.Load(), before, reads)
		}
		_ = c.Knows(first) // and it is still the one that was used longest ago
		_, _ = c.Lookup(t.Context(), third)
		if c.Knows(first) || !c.Knows(second) {
			t.Error("the question kept a record from being evicted")
		}
		if n := testing.AllocsPerRun(100, func() { c.Knows(second) }); n > 0 {
			t.Errorf("%v allocations", n)
		}
	})
}
