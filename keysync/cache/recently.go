package cache

import (
	"encoding/binary"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// recently remembers digests for ten to twenty seconds, with a bit for each in two sets
// that take turns. It needs a fixed amount of memory for a few thousand digests per second,
// and rarely confuses one digest with another. The zero value remembers nothing.
type recently struct {
	now, before []uint64
	began       time.Time // of now
}

const (
	recentBits = 1 << 20
	recentFor  = 10 * time.Second
)

func (r *recently) add(d keysync.Digest, at time.Time) {
	r.turn(at)
	if r.now == nil {
		r.now = make([]uint64, recentBits/64)
	}
	word, bit := place(d)
	r.now[word] |= bit
}

func (r *recently) has(d keysync.Digest, at time.Time) bool {
	r.turn(at)
	word, bit := place(d)
	return r.now != nil && r.now[word]&bit != 0 || r.before != nil && r.before[word]&bit != 0
}

// turn begins a new set when the time has come.
func (r *recently) turn(at time.Time) {
	switch age := at.Sub(r.began); {
	case age >= 2*recentFor:
		r.now, r.before, r.began = nil, nil, at
	case age >= recentFor:
		r.now, r.before, r.began = nil, r.now, at
	}
}

// place is the position of a digest: its bits are practically random.
func place(d keysync.Digest) (word int, bit uint64) {
	n := binary.BigEndian.Uint32(d[4:]) % recentBits
	return int(n / 64), 1 << (n % 64)
}
