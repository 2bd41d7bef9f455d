package flow

import (
	"cmp"
	"hash/maphash"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	shards       = 16 // a power of two
	keysPerShard = 64

	// MaxKeys is how many keys are remembered. A new key displaces the key of its shard
	// that was not seen for longest.
	MaxKeys = shards * keysPerShard

	// maxVerdicts limits the number of verdicts; there are about thirty.
	maxVerdicts = 64
)

// Allowed is the verdict on a request that got through; all others refuse it.
const Allowed = "allowed"

// Recorder remembers requests of the last hour. It is safe for concurrent use.
// Noting a request of a remembered key does not allocate, and takes no lock that all
// requests share. The recorder needs about one megabyte.
type Recorder struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu       sync.Mutex
	keys     *simplelru.LRU[string, *key]
	allowed  minutes
	verdicts map[string]*minutes // all others

	_ [64]byte // keeps the locks of two shards off one cache line
}

// key is what is remembered about one key.
type key struct {
	record           *keysync.Record
	lastSeen         time.Time
	allowed, refused minutes
	copies           minutes // requests with the key in more places than one
	copiesIn         []string
	limit            Limit
}

// Limit is the state of the limit that was closest to refusing when a key was
// last seen. It is zero if no limit counted.
type Limit struct {
	Name      string
	Limit     int64 // units of a window
	Remaining int64
	Reset     time.Time
}

// NewRecorder returns an empty recorder.
func NewRecorder() *Recorder {
	r := &Recorder{seed: maphash.MakeSeed()}
	for i := range r.shards {
		s := &r.shards[i]
		s.keys, _ = simplelru.NewLRU[string, *key](keysPerShard, nil) // errs for sizes below 1 only
		s.verdicts = make(map[string]*minutes)
	}
	return r
}

// Note remembers a request and its time. record is nil if its key is unknown, and
// limit zero if no limit counted it.
func (r *Recorder) Note(now time.Time, record *keysync.Record, verdict string, limit Limit) {
	minute := now.Unix() / 60
	s := r.shard(record)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(minute, verdict)
	if record == nil {
		return
	}
	k, ok := s.keys.Get(record.KeyID)
	if !ok {
		k = s.admit(record.KeyID)
	}
	k.record, k.lastSeen, k.limit = record, now, limit
	if verdict == Allowed {
		k.allowed.add(minute)
	} else {
		k.refused.add(minute)
	}
}

// NoteCopies remembers that a request of a key had it in more places than one. It comes
// with Note for the same request.
func (r *Recorder) NoteCopies(now time.Time, record *keysync.Record, places []string) {
	s := r.shard(record)
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys.Get(record.KeyID)
	if !ok {
		return
	}
	k.copies.add(now.Unix() / 60)
	for _, place := range places {
		if !slices.Contains(k.copiesIn, place) {
			k.copiesIn = append(slices.Clone(k.copiesIn), place) // others may hold the old one
		}
	}
}

// shard returns the shard of a key; requests without a known key go to any shard.
func (r *Recorder) shard(record *keysync.Record) *shard {
	if record == nil {
		return &r.shards[rand.Uint64()%shards]
	}
	return &r.shards[maphash.String(r.seed, record.KeyID)%shards]
}

func (s *shard) note(minute int64, verdict string) {
	if verdict == Allowed {
		s.allowed.add(minute)
		return
	}
	m := s.verdicts[verdict]
	if m == nil {
		if len(s.verdicts) >= maxVerdicts {
			return
		}
		m = new(minutes)
		s.verdicts[verdict] = m
	}
	m.add(minute)
}

// admit makes room for a key, if need be in the memory of another.
func (s *shard) admit(id string) *key {
	k := new(key)
	if s.keys.Len() >= keysPerShard {
		_, k, _ = s.keys.RemoveOldest()
		*k = key{}
	}
	s.keys.Add(id, k)
	return k
}

// Key is what is known about one key.
type Key struct {
	Record           *keysync.Record // as it was when the key was last seen
	LastSeen         time.Time
	Allowed, Refused Series
	Copies           Series   // requests with the key in more places than one
	CopiesIn         []string // the places since the key is remembered, as they came
	Limit            Limit
}

// Keys returns the keys that are remembered, the one that was seen last first,
// with the hour that ends with the minute of now.
func (r *Recorder) Keys(now time.Time) []Key {
	minute := now.Unix() / 60
	var list []Key
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		for _, k := range s.keys.Values() {
			list = append(list, k.copy(minute))
		}
		s.mu.Unlock()
	}
	slices.SortFunc(list, func(a, b Key) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), strings.Compare(a.Record.KeyID, b.Record.KeyID))
	})
	return list
}

func (k *key) copy(minute int64) Key {
	c := Key{Record: k.record, LastSeen: k.lastSeen, Limit: k.limit, CopiesIn: k.copiesIn}
	k.allowed.addTo(&c.Allowed, minute)
	k.refused.addTo(&c.Refused, minute)
	k.copies.addTo(&c.Copies, minute)
	return c
}

// Verdicts returns how many requests had each verdict in the hour that ends with
// the minute of now. Verdicts that no request had are left out.
func (r *Recorder) Verdicts(now time.Time) map[string]*Series {
	minute := now.Unix() / 60
	all := map[string]*Series{Allowed: new(Series)}
	for i := range r.shards {
		s := &r.shards[i]
		s.mu.Lock()
		s.allowed.addTo(all[Allowed], minute)
		for verdict, m := range s.verdicts {
			if all[verdict] == nil {
				all[verdict] = new(Series)
			}
			m.addTo(all[verdict], minute)
		}
		s.mu.Unlock()
	}
	for verdict, series := range all {
		if series.Sum() == 0 {
			delete(all, verdict)
		}
	}
	return all
}

// Closest returns at most n keys whose limits are closest to refusing, the closest first.
// Windows that have ended do not count.
func Closest(keys []Key, now time.Time, n int) []Key {
	var list []Key
	for _, k := range keys {
		if k.Limit.Limit > 0 && k.Limit.Reset.After(now) {
			list = append(list, k)
		}
	}
	slices.SortStableFunc(list, func(a, b Key) int { return cmp.Compare(a.Limit.left(), b.Limit.left()) })
	return list[:min(n, len(list))]
}

// left is the part of a limit that is left.
func (l *Limit) left() float64 { return float64(l.Remaining) / float64(l.Limit) }
