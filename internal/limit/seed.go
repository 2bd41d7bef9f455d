package limit

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// seed spreads counter keys over shards and cells. Counter keys are uniform but public.
// So a secret that differs in every process prevents attackers from aiming made-up keys
// at one shard or one cell.
type seed [2]uint64

func newSeed() seed {
	return seed{rand.Uint64(), rand.Uint64()}
}

// hash folds the 128-bit product of the two halves of key, each masked. Counter keys come
// from SHA-256, so more mixing would only cost time.
func (s seed) hash(key CounterKey) uint64 {
	high, low := bits.Mul64(
		binary.LittleEndian.Uint64(key[:8])^s[0],
		binary.LittleEndian.Uint64(key[8:])^s[1],
	)
	return high ^ low
}
