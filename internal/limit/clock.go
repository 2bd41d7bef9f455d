package limit

import (
	"sync/atomic"
	"time"
)

// jitter is how far, in milliseconds, the two readings of a time may differ without a step:
// they are not taken at the same instant.
const jitter = 100

// clock is the time for Memory. It uses the monotonic clock, so that a window has the right
// length even if the machine's clock changes meanwhile (NTP, a virtual machine that wakes up,
// an administrator). The start of windows and the times for clients use the machine's clock.
type clock struct {
	start time.Time // with both readings
	last  atomic.Pointer[step]
}

// step is a step of the machine's clock, or the beginning.
type step struct {
	at    int64 // when it was seen
	ahead int64 // how far the machine's clock is ahead of this one since then
}

// instant is a time in milliseconds, since the Unix epoch if the machine's clock had made
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

// read returns the instant of a time with a monotonic reading, such as one from time.Now.
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

// windowEnd returns when the current window of the machine's clock ends.
func (i instant) windowEnd(window int64) int64 {
	return windowEnd(i.now+i.ahead, window) - i.ahead
}
