package cache

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/sourcetest"
)

var snapshotKey = []byte("a signing key of enough bytes")

// placedSource is a fake source with a place.
type placedSource struct {
	*fakeSource
	place string
}

func (p placedSource) Place() string { return p.place }

func takeSnapshot(t *testing.T, c *Cache) []byte {
	t.Helper()
	snap, err := c.Snapshot(snapshotKey)
	if err != nil {
		t.Fatal(err)
	}
	return snap
}

func TestSnapshotKeepsRecordsAndAges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource()
		before := newTestCache(t, src, Options{})
		oldest, old, young, unknown := sourcetest.Digest(1), sourcetest.Digest(2), sourcetest.Digest(3), sourcetest.Digest(4)
		sourcetest.Expect(t, before, oldest, keysync.OutcomeMiss, "read_1")
		time.Sleep(30 * time.Minute)
		sourcetest.Expect(t, before, old, keysync.OutcomeMiss, "read_1")
		time.Sleep(29 * time.Minute)
		sourcetest.Expect(t, before, young, keysync.OutcomeMiss, "read_1")
		src.setAbsent(unknown, true)
		sourcetest.Expect(t, before, unknown, keysync.OutcomeUnknown, "")
		snap := takeSnapshot(t, before)
		if bytes.Contains(snap, []byte(unknown.String())) {
			t.Error("an unknown digest is in the snapshot")
		}

		time.Sleep(time.Minute)
		if late := takeSnapshot(t, before); bytes.Contains(late, []byte(oldest.String())) || !bytes.Contains(late, []byte(old.String())) {
			t.Error("a record past the ceiling is in the snapshot, or a younger one is not")
		}
		// That was the restart: the oldest is past the ceiling now.
		src.set(errDown, 0)
		after := newTestCache(t, src, Options{})
		n, err := after.Restore(snap, snapshotKey)
		if n != 2 || err != nil {
			t.Fatalf("restored %d, %v", n, err)
		}
		sourcetest.Expect(t, after, oldest, keysync.OutcomeError, "")
		sourcetest.Expect(t, after, old, keysync.OutcomeStale, "read_1")
		sourcetest.Expect(t, after, young, keysync.OutcomeStale, "read_1")
		time.Sleep(30 * time.Minute)
		sourcetest.Expect(t, after, old, keysync.OutcomeError, "")
		sourcetest.Expect(t, after, young, keysync.OutcomeStale, "read_1")
		time.Sleep(29*time.Minute - 1)
		sourcetest.Expect(t, after, young, keysync.OutcomeStale, "read_1")
		time.Sleep(time.Nanosecond)
		sourcetest.Expect(t, after, young, keysync.OutcomeError, "")
	})
}

// With the source there, what a snapshot says is not taken on trust.
func TestSnapshotIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := newFakeSource()
		before := newTestCache(t, src, Options{})
		sourcetest.Expect(t, before, sourcetest.Digest(1), keysync.OutcomeMiss, "read_1")
		after := newTestCache(t, src, Options{})
		sourcetest.Expect(t, after, sourcetest.Digest(1), keysync.OutcomeMiss, "read_2")
		if n, err := after.Restore(takeSnapshot(t, before), snapshotKey); n != 0 || err != nil {
			t.Errorf("restored %d over a record that is there, %v", n, err)
		}
		sourcetest.Expect(t, after, sourcetest.Digest(1), keysync.OutcomeHit, "read_2")

		third := newTestCache(t, src, Options{})
		if n, err := third.Restore(takeSnapshot(t, before), snapshotKey); n != 1 || err != nil {
			t.Errorf("restored %d, %v", n, err)
		}
		sourcetest.Expect(t, third, sourcetest.Digest(1), keysync.OutcomeMiss, "read_3")
		sourcetest.Expect(t, third, sourcetest.Digest(1), keysync.OutcomeHit, "read_3")

		// A snapshot of restored records keeps their age.
		fourth := newTestCache(t, src, Options{})
		time.Sleep(59 * time.Minute)
		if n, err := fourth.Restore(takeSnapshot(t, before), snapshotKey); n != 1 || err != nil {
			t.Errorf("restored %d, %v", n, err)
		}
		fifth := newTestCache(t, src, Options{})
		if n, err := fifth.Restore(takeSnapshot(t, fourth), snapshotKey); n != 1 || err != nil {
			t.Errorf("restored %d, %v", n, err)
		}
		src.set(errDown, 0)
		sourcetest.Expect(t, fifth, sourcetest.Digest(1), keysync.OutcomeStale, "read_1")
		time.Sleep(time.Minute)
		sourcetest.Expect(t, fifth, sourcetest.Digest(1), keysync.OutcomeError, "")
	})
}

func TestSnapshotRefused(t *testing.T) {
	src := placedSource{newFakeSource(), "here"}
	c := newTestCache(t, src, Options{})
	sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "read_1")
	snap := takeSnapshot(t, c)
	macStart := len(snapshotHeader)
	edit := func(i int) []byte {
		b := bytes.Clone(snap)
		b[i] ^= 1
		return b
	}
	tests := []struct {
		name string
		snap []byte
		key  []byte
		src  keysync.Source
	}{
		{"empty", nil, snapshotKey, src},
		{"header only", snap[:macStart], snapshotKey, src},
		{"header edited", edit(3), snapshotKey, src},
		{"MAC edited", edit(macStart), snapshotKey, src},
		{"MAC left out", append(bytes.Clone(snap[:macStart]), snap[macStart+64:]...), snapshotKey, src},
		{"payload edited", edit(len(snap) - 10), snapshotKey, src},
		{"digest edited", bytes.Replace(snap, []byte(sourcetest.Digest(1).String()), []byte(sourcetest.Digest(2).String()), 1), snapshotKey, src},
		{"cut off", snap[:len(snap)-1], snapshotKey, src},
		{"cut off to the MAC", snap[:macStart+65], snapshotKey, src},
		{"longer", append(bytes.Clone(snap), '\n'), snapshotKey, src},
		{"other key", snap, bytes.ToUpper(snapshotKey), src},
		{"key too short", snap, snapshotKey[:15], src},
		{"other source", snap, snapshotKey, placedSource{newFakeSource(), "there"}},
		{"source without a place", snap, snapshotKey, newFakeSource()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			other := newTestCache(t, tt.src, Options{})
			n, err := other.Restore(tt.snap, tt.key)
			if n != 0 || err == nil || other.Stats().Records != 0 {
				t.Errorf("restored %d, %v", n, err)
			}
			if err != nil && strings.Contains(err.Error(), string(tt.key)) {
				t.Errorf("the error quotes the key: %v", err)
			}
		})
	}
	other := newTestCache(t, src, Options{})
	if n, err := other.Restore(snap, snapshotKey); n != 1 || err != nil {
		t.Errorf("the snapshot itself: restored %d, %v", n, err)
	}
	if _, err := c.Snapshot(snapshotKey[:15]); err == nil {
		t.Error("a snapshot was taken with a short key")
	}
}

// A clock that went back far would make old records young.
func TestSnapshotFromTheFuture(t *testing.T) {
	var snap []byte
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(2 * time.Minute)
		c := newTestCache(t, newFakeSource(), Options{})
		sourcetest.Expect(t, c, sourcetest.Digest(1), keysync.OutcomeMiss, "read_1")
		snap = takeSnapshot(t, c)
	})
	for wait, ok := range map[time.Duration]bool{0: false, 59 * time.Second: false, time.Minute: true} {
		synctest.Test(t, func(t *testing.T) { // begins at the same time as the one above
			time.Sleep(wait)
			c := newTestCache(t, newFakeSource(), Options{})
			if _, err := c.Restore(snap, snapshotKey); (err == nil) != ok {
				t.Errorf("%v before it was taken: %v", 2*time.Minute-wait, err)
			}
		})
	}
}

// The derivation is fixed: a snapshot of the last version must be readable by
// the next. Computed with Python: hkdf (RFC 5869) and hmac, see the comment.
func TestSnapshotMAC(t *testing.T) {
	// >>> prk = hmac.new(b'\0'*32, key, 'sha256').digest()
	// >>> okm = hmac.new(prk, b'ingest-auth cache snapshot 1\nhere\x01', 'sha256').digest()
	// >>> hmac.new(okm, b'{}', 'sha256').hexdigest()
	c := newTestCache(t, placedSource{newFakeSource(), "here"}, Options{})
	mac, err := c.snapshotMAC(snapshotKey, []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "1bc84a86fe09e6205695d4337022a94e1d7e4c8738899e2519da911525c31a42"
	if got := hex.EncodeToString(mac); got != want {
		t.Errorf("MAC %s, want %s", got, want)
	}
}
