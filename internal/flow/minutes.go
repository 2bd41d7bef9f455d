package flow

// Minutes is how many minutes are remembered, including the current one.
const Minutes = 60

// Series holds a number for every minute, the current one last.
type Series [Minutes]uint32

// Sum returns the total of the series.
func (s *Series) Sum() uint64 {
	var sum uint64
	for _, n := range s {
		sum += uint64(n)
	}
	return sum
}

// minutes counts something by minute, in a ring. A minute is a number of minutes
// since the Unix epoch.
type minutes struct {
	latest int64 // the last counted minute
	ring   [Minutes]uint32
}

// add counts one in a minute. A minute slightly older than the latest counts as the
// latest: requests overtake each other.
func (m *minutes) add(minute int64) {
	switch ahead := minute - m.latest; {
	case ahead >= Minutes || ahead <= -Minutes: // a new counter, or the clock was set back
		m.ring, m.latest = Series{}, minute
	case ahead > 0:
		for m.latest < minute {
			m.latest++
			m.ring[m.latest%Minutes] = 0
		}
	}
	m.ring[m.latest%Minutes]++
}

// addTo adds the numbers of the hour that ends with a minute to s.
func (m *minutes) addTo(s *Series, minute int64) {
	for i := range s {
		at := minute - Minutes + 1 + int64(i)
		if at <= m.latest && at > m.latest-Minutes {
			s[i] += m.ring[at%Minutes]
		}
	}
}
