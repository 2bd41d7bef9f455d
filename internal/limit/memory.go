package limit

import (
	"context"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// DefaultSize is the default bound of Memory, in counters.
const DefaultSize = 100_000

const (
	maxShards    = 64  // one bit each in a lock mask
	minShardSize = 128 // fewer, larger shards for small bounds
)

// Memory counts in this process.
//
// A counter begins a new window only when its old window has ended in elapsed time: see
// clock. If the machine's clock has made a step meanwhile, the next window ends where a
// window of that clock ends, after at least half and at most one and a half windows.
// After that everything is normal again.
//
// It holds at most the given number of counters; a new one displaces the least
// recently used. A displaced counter whose window has not ended is not forgotten:
// otherwise a client could empty its own counter by flooding the gate with new keys. Its
// used units go into the floor of its window (see floor), and a counter that is new, or
// comes back, starts from there instead of from zero. So the units let through in one
// window never exceed the limit of any counter, however many keys an attacker makes up.
//
// Newcomers during a flood pay for that, never counters that are still held: a newcomer
// starts with at most the units that the displaced counters in its cell have used in this
// window. There are at least four cells for each counter of the bound, so when D counters
// of one unit each are displaced within one window, that is D/(4·size) units on average:
// with the default bound and one million strangers a minute, two or three units of a
// limit per minute. Without displacement it is nothing.
//
// A counter needs about 200 bytes. While counters are being displaced, the floors need 32
// to 64 bytes per counter of the bound for each length of window in use. With the default
// bound that is about 20 MB and 4 MB.
type Memory struct {
	seed   seed
	clock  *clock
	shards []shard
}

// NewMemory returns counters bounded to size (DefaultSize if not positive).
func NewMemory(size int) *Memory {
	if size <= 0 {
		size = DefaultSize
	}
	n := 1
	for n < maxShards && size/(2*n) >= minShardSize {
		n *= 2
	}
	m := &Memory{seed: newSeed(), clock: newClock(), shards: make([]shard, n)}
	for i := range m.shards {
		m.shards[i].init(size / n)
	}
	return m
}

// Len returns the number of counters held.
func (m *Memory) Len() int {
	n := 0
	for i := range m.shards {
		s := &m.shards[i]
		s.mu.Lock()
		n += s.lru.Len()
		s.mu.Unlock()
	}
	return n
}

// Count implements Counters. It never fails, and does not allocate unless a
// counter is new. now has a monotonic reading, as a time from time.Now does.
func (m *Memory) Count(_ context.Context, op Op, now time.Time, takes []Take, states []State) (bool, error) {
	at := m.clock.read(now)
	held := m.lock(takes)
	fits := m.count(op, at, takes, states)
	m.unlock(held)
	return fits, nil
}

func (m *Memory) count(op Op, at instant, takes []Take, states []State) bool {
	fits := true
	for i := range takes {
		t := &takes[i]
		k := idOf(t)
		s, hash := m.shard(k)
		c := s.find(k, hash, at)
		states[i] = stateOf(t, c.used, c.end+at.ahead, s.now+at.ahead)
		fits = fits && !states[i].Refused
		if op == OpAdd || op == OpTake && fits {
			s.add(k, c, t.Cost)
			states[i].Remaining = max(0, states[i].Remaining-t.Cost)
		}
	}
	if op == OpTake && !fits {
		m.giveBack(at, takes, states)
	}
	return fits
}

// giveBack undoes the changes in the counters before the first one that refused.
func (m *Memory) giveBack(at instant, takes []Take, states []State) {
	for i := 0; !states[i].Refused; i++ {
		t := &takes[i]
		k := idOf(t)
		s, hash := m.shard(k)
		s.add(k, s.find(k, hash, at), -t.Cost)
		states[i].Remaining += t.Cost
	}
}

// raise raises counters to the used units in states, which come from counters shared with
// other gates. If those become unreachable, this process continues from the last known
// state and not from zero. If the two windows overlap by less than a half, nothing is
// raised.
func (m *Memory) raise(now time.Time, takes []Take, states []State) {
	at := m.clock.read(now)
	held := m.lock(takes)
	defer m.unlock(held)
	for i := range takes {
		used := states[i].Limit - states[i].Remaining
		if used == 0 {
			continue
		}
		k := idOf(&takes[i])
		s, hash := m.shard(k)
		c := s.find(k, hash, at)
		if apart := s.now + states[i].Wait.Milliseconds() - c.end; 2*max(apart, -apart) < k.window {
			s.add(k, c, max(0, used-c.used))
		}
	}
}

// lock locks the shards of all takes, each once and in ascending order, so that
// two requests cannot wait for each other, and returns them as a bit mask.
func (m *Memory) lock(takes []Take) (held uint64) {
	for i := range takes {
		held |= 1 << m.index(m.seed.hash(takes[i].Key))
	}
	for b := held; b != 0; b &= b - 1 {
		m.shards[bits.TrailingZeros64(b)].mu.Lock()
	}
	return held
}

func (m *Memory) unlock(held uint64) {
	for b := held; b != 0; b &= b - 1 {
		m.shards[bits.TrailingZeros64(b)].mu.Unlock()
	}
}

// shard returns the shard of a counter and the hash that chose it.
func (m *Memory) shard(k id) (*shard, uint64) {
	hash := m.seed.hash(k.key)
	return &m.shards[m.index(hash)], hash
}

// index masks, because the number of shards is a power of two.
func (m *Memory) index(hash uint64) uint64 {
	return hash & uint64(len(m.shards)-1)
}

// id identifies a counter: limits of different windows never share one.
type id struct {
	key    CounterKey
	window int64 // milliseconds
}

func idOf(t *Take) id {
	return id{t.Key, t.Rate.Window.Milliseconds()}
}

// counter is reused in place from window to window, and by other keys after it
// was displaced.
type counter struct {
	end  int64 // of the window, by clock
	used int64 // units
	hash uint64
}

type shard struct {
	mu     sync.Mutex
	now    int64 // latest time seen, by clock
	size   int
	lru    *simplelru.LRU[id, *counter]
	absent counter // what find returns for a counter that is not held
	floors floors

	_ [64]byte // no false sharing
}

func (s *shard) init(size int) {
	lru, err := simplelru.NewLRU[id, *counter](size, nil)
	if err != nil {
		panic(err) // size is positive
	}
	s.size, s.lru, s.floors = size, lru, newFloors(size)
}

// find returns the counter k in the window of now. If it is not held, it returns
// s.absent, and add turns that into a held counter: only looking at counters displaces
// none.
func (s *shard) find(k id, hash uint64, at instant) *counter {
	s.now = max(s.now, at.now)
	at.now = s.now
	c, ok := s.lru.Get(k)
	switch {
	case !ok:
		s.absent = counter{hash: hash}
		s.absent.end, s.absent.used = s.floors.of(k.window, s.now, hash)
		if s.absent.end == 0 {
			s.absent.end = at.windowEnd(k.window)
		}
		return &s.absent
	case c.end <= s.now:
		end := at.windowEnd(k.window)
		if 2*(end-c.end) < k.window { // the clock has made a step
			end += k.window
		}
		c.end, c.used = end, 0
	}
	return c
}

// add adds cost to c, which find has just returned for k.
func (s *shard) add(k id, c *counter, cost int64) {
	if c == &s.absent {
		c = s.admit(k)
	}
	if cost > math.MaxInt64-c.used {
		c.used = math.MaxInt64
		return
	}
	c.used += cost
}

// admit makes s.absent a held counter, if need be in place of the least
// recently used one.
func (s *shard) admit(k id) *counter {
	c := s.makeRoom()
	*c = s.absent
	s.lru.Add(k, c)
	return c
}

// makeRoom returns memory for one more counter.
func (s *shard) makeRoom() *counter {
	if s.lru.Len() < s.size {
		return &counter{}
	}
	old, c, _ := s.lru.RemoveOldest()
	if c.end > s.now {
		s.floors.keep(old.window, c, s.now)
	}
	return c
}
