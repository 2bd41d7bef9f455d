package limit

import "sync"

// maxInFlightKeys limits the keys of one shard of InFlight: 100,000 in all, far more than
// one process can serve at a time.
const maxInFlightKeys = 100_000 / maxShards

// InFlight counts the requests that are being served, by key. It holds no entry for a key
// without requests, so its size is limited by the requests in flight, and in any case to
// 100,000 keys: beyond that, new keys are refused.
type InFlight struct {
	seed   seed
	shards [maxShards]inFlightShard
}

type inFlightShard struct {
	mu    sync.Mutex
	byKey map[CounterKey]int64

	_ [48]byte // no false sharing
}

// NewInFlight returns an empty InFlight.
func NewInFlight() *InFlight {
	f := &InFlight{seed: newSeed()}
	for i := range f.shards {
		f.shards[i].byKey = map[CounterKey]int64{}
	}
	return f
}

// Acquire counts one more request of key, unless n are already in flight, and
// reports whether it did. Every Acquire that reports true needs one Release.
func (f *InFlight) Acquire(key CounterKey, n int64) bool {
	s := f.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	held := s.byKey[key]
	if held >= n || held == 0 && len(s.byKey) >= maxInFlightKeys {
		return false
	}
	s.byKey[key] = held + 1
	return true
}

// Release counts one request of key less.
func (f *InFlight) Release(key CounterKey) {
	s := f.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if held := s.byKey[key]; held > 1 {
		s.byKey[key] = held - 1
	} else {
		delete(s.byKey, key)
	}
}

// Len returns the number of keys with requests in flight.
func (f *InFlight) Len() int {
	n := 0
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		n += len(s.byKey)
		s.mu.Unlock()
	}
	return n
}

func (f *InFlight) shard(key CounterKey) *inFlightShard {
	return &f.shards[f.seed.hash(key)%maxShards]
}
