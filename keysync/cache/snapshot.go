package cache

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// A snapshot is a line that names the format, a line with the HMAC-SHA-256 of
// all that follows in hex, and a JSON document.
const snapshotHeader = "ingest-auth cache snapshot 1\n"

const minSnapshotKey = 16 // bytes

// maxClockStep is how far the clock may have gone back since a snapshot was
// taken.
const maxClockStep = time.Minute

var errSnapshotForged = errors.New("the snapshot was made with another key or for another source, or it was changed or cut off")

type snapshot struct {
	TakenAt time.Time       `json:"taken_at"`
	Entries []snapshotEntry `json:"entries"`
}

type snapshotEntry struct {
	Digest string          `json:"digest"`
	ReadAt time.Time       `json:"read_at"`
	Record json.RawMessage `json:"record"`
}

// Snapshot returns the records in the cache, with their ages, for Restore. It is
// authenticated with a key derived from key, and bound to the source. It contains digests
// and records, but no keys.
func (c *Cache) Snapshot(key []byte) ([]byte, error) {
	snap, err := c.collect()
	if err != nil {
		return nil, fmt.Errorf("writing the cache snapshot: %w", err)
	}
	payload, err := json.Marshal(snap)
	if err != nil {
		return nil, fmt.Errorf("writing the cache snapshot: %w", err)
	}
	mac, err := c.snapshotMAC(key, payload)
	if err != nil {
		return nil, err
	}
	out := append([]byte(snapshotHeader), hex.EncodeToString(mac)...)
	return append(append(out, '\n'), payload...), nil
}

// collect copies the records that may still be served.
func (c *Cache) collect() (snapshot, error) {
	snap := snapshot{TakenAt: time.Now().UTC()}
	for i := range c.shards {
		entries, err := c.collectShard(&c.shards[i])
		if err != nil {
			return snapshot{}, err
		}
		snap.Entries = append(snap.Entries, entries...)
	}
	return snap, nil
}

func (c *Cache) collectShard(s *shard) ([]snapshotEntry, error) {
	now, clock := c.now(), time.Now()
	s.mu.Lock()
	digests, entries := s.known.Keys(), s.known.Values()
	s.mu.Unlock()

	var out []snapshotEntry
	for i, e := range entries {
		if now-e.readAt >= int64(c.opts.Outage) {
			continue
		}
		data, err := json.Marshal(e.rec)
		if err != nil {
			return nil, err
		}
		at := clock.Add(time.Duration(e.readAt - now)).UTC()
		out = append(out, snapshotEntry{Digest: digests[i].String(), ReadAt: at, Record: data})
	}
	return out, nil
}

// Restore puts the records of a snapshot into the cache, except those that are already
// there or past the outage ceiling, and returns how many it added. They keep their age,
// and are read again before they count as fresh. The key must be the one given to
// Snapshot; a snapshot that was changed is an error.
func (c *Cache) Restore(snap, key []byte) (int, error) {
	mac, payload, err := splitSnapshot(snap)
	if err != nil {
		return 0, err
	}
	want, err := c.snapshotMAC(key, payload)
	if err != nil {
		return 0, err
	}
	if !hmac.Equal(mac, want) {
		return 0, fmt.Errorf("reading the cache snapshot: %w", errSnapshotForged)
	}
	var s snapshot
	if err := json.Unmarshal(payload, &s); err != nil {
		return 0, fmt.Errorf("reading the cache snapshot: %w", err)
	}
	if time.Until(s.TakenAt) > maxClockStep {
		return 0, errors.New("reading the cache snapshot: it is from the future; set the clock")
	}
	restored := 0
	for _, e := range s.Entries {
		if c.restore(e) {
			restored++
		}
	}
	return restored, nil
}

func (c *Cache) restore(e snapshotEntry) bool {
	d, err := keysync.ParseDigest(e.Digest)
	if err != nil {
		return false
	}
	rec, err := keysync.ParseRecord(e.Record)
	if err != nil {
		return false
	}
	now := c.now()
	old := entry{rec: rec, readAt: now - max(0, int64(time.Since(e.ReadAt))), doubted: true}
	if c.judge(old, now) == ageNone {
		return false
	}
	s := c.shard(d)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known.Contains(d) {
		return false
	}
	s.known.Add(d, old)
	return true
}

func splitSnapshot(snap []byte) (mac, payload []byte, err error) {
	rest, ok := bytes.CutPrefix(snap, []byte(snapshotHeader))
	line, payload, cut := bytes.Cut(rest, []byte("\n"))
	mac, err = hex.DecodeString(string(line))
	if !ok || !cut || err != nil {
		return nil, nil, fmt.Errorf("reading the cache snapshot: %w", errSnapshotForged)
	}
	return mac, payload, nil
}

// snapshotMAC authenticates a snapshot for the source of this cache.
func (c *Cache) snapshotMAC(key, payload []byte) ([]byte, error) {
	if len(key) < minSnapshotKey {
		return nil, fmt.Errorf("deriving the key of the cache snapshot: it needs at least %d bytes", minSnapshotKey)
	}
	info := snapshotHeader
	if s, ok := c.source.(keysync.Located); ok {
		info += s.Place()
	}
	derived, err := hkdf.Key(sha256.New, key, nil, info, sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of the cache snapshot: %w", err)
	}
	h := hmac.New(sha256.New, derived)
	h.Write(payload)
	return h.Sum(nil), nil
}
