package limit

import (
	"sync/atomic"
	"time"
)

// jitter is how far, in milliseconds, the two readings of a time may be apart without a step:
// they are not taken in the same instant.
const jitter = 100

// clock is what Memory counts by: it goes with the monotonic clock, so that a window lasts as
// long as it should, whatever is done to the clock of the machine meanwhile (NTP, a virtual
// machine that wakes up, a hand). Where windows begin and what clients are told follows the
// latter.
type clock struct {
	start time.Time // with both readings
	last  atomic.Pointer[step]
}

// step is a step of the machine's clock, or the beginning.
type step struct {
	at    int64 // when it was seen
	ahead int64 // how far the machine's clock has been ahead of this one since
}

// instant is a time in milliseconds: since the Unix epoch, if the machine's clock had made
// no step since the start.
type instant struct {
	now   int64
	ahead int64
}

func newClock() *clock {
	c := &clock{start: time.Now()}
	c.last.Store(&step{})
	return c
}

// read returns the instant of a time that has a monotonic reading, as those of time.Now do.
func (c *clock) read(t time.Time) instant {
	now := (c.start.UnixNano() + int64(t.Sub(c.start))) / int64(time.Millisecond)
	last := c.last.Load()
	ahead := t.UnixMilli() - now
	if off := ahead - last.ahead; -jitter <= off && off <= jitter {
		return instant{now, last.ahead}
	}
	if now < last.at { // a request that began before the step
		return instant{now, last.ahead}
	}
	c.last.Store(&step{now, ahead})
	return instant{now, ahead}
}

// windowEnd returns when the window that the machine's clock shows is over.
func (i instant) windowEnd(window int64) int64 {
	return windowEnd(i.now+i.ahead, window) - i.ahead
}
