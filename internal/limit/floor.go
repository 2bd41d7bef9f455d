package limit

import "math/bits"

// cellsPerCounter is how many cells a floor has for each counter that Memory may hold,
// before rounding up to a power of two.
const cellsPerCounter = 4

// floors remembers the used units of counters that were displaced from one shard before
// their window ended, separately for each length of window. Windows are aligned, so all
// counters with the same length end together, except in the first window after a step of
// the clock.
//
// The configuration, not clients, decides how many lengths there are.
type floors struct {
	cells    int
	byWindow map[int64]*floor // by length in milliseconds
}

// floor holds, in the cell of a displaced counter, at least the units it had
// used. Counters that share a cell see the highest of them.
type floor struct {
	end  int64 // of the window, by clock; the latest if there are several
	used []int64
}

func newFloors(size int) floors {
	return floors{
		cells:    1 << bits.Len(uint(cellsPerCounter*size-1)),
		byWindow: map[int64]*floor{},
	}
}

// of returns the end of the current window, and the units that a counter that is not held
// may have used in it: at least as many as it has. Without displaced counters both are 0.
func (f *floors) of(window, now int64, hash uint64) (end, used int64) {
	fl := f.byWindow[window]
	if fl == nil || fl.end <= now {
		return 0, 0
	}
	return fl.end, *fl.cell(hash)
}

// keep remembers a displaced counter whose window has not ended.
func (f *floors) keep(window int64, c *counter, now int64) {
	fl := f.byWindow[window]
	if fl == nil {
		f.forgetEnded(now)
		fl = &floor{used: make([]int64, f.cells)}
		f.byWindow[window] = fl
	}
	if fl.end <= now {
		clear(fl.used)
	}
	fl.end = max(fl.end, c.end)
	used := fl.cell(c.hash)
	*used = max(*used, c.used)
}

// forgetEnded frees the floors of windows that have ended.
func (f *floors) forgetEnded(now int64) {
	for window, fl := range f.byWindow {
		if fl.end <= now {
			delete(f.byWindow, window)
		}
	}
}

// cell uses the high bits of the hash; the low bits choose the shard.
func (fl *floor) cell(hash uint64) *int64 {
	return &fl.used[hash>>32&uint64(len(fl.used)-1)]
}
