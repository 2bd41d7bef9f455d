// Package heapfloor stops the garbage collector of a process with a small heap from
// running all the time.
//
// Go collects when the heap has doubled (GOGC=100). A proxy has about 10 MB of live
// memory and allocates as much again many times per second. So it spends much of its time
// on collecting almost nothing. With a floor the heap first grows to that size, however
// little of it is live.
package heapfloor

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// Set sets a floor of so many bytes. It does nothing if GOGC is in the environment: then
// somebody has decided otherwise. The floor is never more than half of the memory
// limit (GOMEMLIMIT, or the limit derived from the container's): what is not of the heap, and
// bodies, need room, too. The runtime observes the limit in any case.
func Set(floor uint64) {
	if _, ok := os.LookupEnv("GOGC"); ok {
		return
	}
	watch(&cycle{floor: floor})
}

// cycle becomes garbage at every collection: that is how we notice one.
type cycle struct {
	floor uint64
	last  int // GOGC as it was set last
}

func watch(c *cycle) {
	c.adjust()
	runtime.SetFinalizer(c, watch)
}

// adjust sets GOGC so that the next collection starts when the heap has the size
// of the floor.
func (c *cycle) adjust() {
	live, roots := heap()
	if p := percent(under(debug.SetMemoryLimit(-1), c.floor), live, roots); p != c.last {
		c.last = p
		debug.SetGCPercent(p)
	}
}

// under returns the floor that there may be under a memory limit.
func under(limit int64, floor uint64) uint64 {
	if limit == math.MaxInt64 { // none
		return floor
	}
	return min(floor, uint64(limit)/2)
}

// percent returns the value of GOGC at which a heap grows to the floor: the
// collection starts at live + (live + roots) * GOGC / 100. It is at least 100, and
// a multiple of 50, because setting it stops the world.
func percent(floor, live, roots uint64) int {
	if floor <= live {
		return 100
	}
	p := (floor - live) * 100 / max(live+roots, 1)
	return int(min(max(p/50*50, 100), 10_000))
}

// heap returns how many bytes were live after the last collection, and how many
// the stacks and globals have.
func heap() (live, roots uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() + samples[2].Value.Uint64()
}
