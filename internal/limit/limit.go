package limit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/bits"
	"time"
)

// ErrUnavailable is returned by Count if the counters cannot be reached and the policy is
// OnErrorDeny. It says nothing about the client: answer 503 with Retry-After, never 429.
var ErrUnavailable = errors.New("counters unavailable")

// Rate is N units per Window. Windows are fixed and aligned to the Unix epoch:
// all gates agree where one ends. N is positive, at most 2^53 (Redis scripts
// count in doubles); Window is a positive number of whole milliseconds.
type Rate struct {
	N      int64
	Window time.Duration
}

// CounterKey names one counter: a hash of the limit's name and the values of
// its dimensions. It may be in logs and in the names of Redis keys, so dimension values
// must be key IDs, accounts, addresses or digests, never keys.
type CounterKey [16]byte

// KeyOf returns the counter key of a limit for the values of its dimensions, in
// the order in which the limit names them: the first half of the SHA-256 of all
// of them, each preceded by its length, so that ("a", "bc") and ("ab", "c")
// differ. It does not allocate for up to 256 bytes of input.
func KeyOf(limit string, values ...string) CounterKey {
	var stack [256]byte
	b := appendSized(stack[:0], limit)
	for _, v := range values {
		b = appendSized(b, v)
	}
	sum := sha256.Sum256(b)
	return CounterKey(sum[:16])
}

func appendSized(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Take is a request's use of one counter. A counter is identified by Key and the length
// of the window. The N of the rate is read each time, so a changed limit applies at once
// to the units already counted. One request has at most one Take for a counter.
type Take struct {
	Limit string // name of the limit, for the RateLimit headers
	Key   CounterKey
	Rate  Rate
	Cost  int64 // units, not negative; more than Rate.N never fits
}

// State is one counter after a decision.
type State struct {
	Limit     int64         // units of a whole window; 0 if nothing was counted
	Remaining int64         // units left in this window, never negative
	Reset     time.Time     // end of the window
	Wait      time.Duration // time left until Reset, by the clock that counted
	Refused   bool          // the cost did not fit in what was left
}

// Op says what Count does.
type Op uint8

const (
	// OpTake adds the cost to every counter if all have room, and nothing otherwise.
	OpTake Op = iota
	// OpPeek adds nothing and answers what OpTake would have answered.
	OpPeek
	// OpAdd adds the cost to every counter, even without room. OpPeek before and OpAdd
	// after the event count only some requests, such as failed authentications. Requests
	// that peek at the same time can then together exceed the limit by their number.
	OpAdd
)

// Counters counts units in fixed windows. Implementations are safe for
// concurrent use.
type Counters interface {
	// Count does op to all counters of a request in one atomic step, fills states, which
	// is as long as takes, and reports whether all had room. now is the caller's clock;
	// counters shared by several gates use their own clock instead.
	Count(ctx context.Context, op Op, now time.Time, takes []Take, states []State) (fits bool, err error)
}

// Closest returns the index of the state that is closest to refusing: a refused state
// before all others, and of several refused states the one with the latest reset, because
// only then can the request succeed. Otherwise it is the state with the smallest
// remaining part of its limit, and of equal ones the one with the latest reset. It
// returns -1 if no state was counted.
func Closest(states []State) int {
	closest := -1
	for i := range states {
		if states[i].Limit == 0 {
			continue
		}
		if closest < 0 || states[i].closer(&states[closest]) {
			closest = i
		}
	}
	return closest
}

// closer reports whether s is closer to refusing than o.
func (s *State) closer(o *State) bool {
	if s.Refused != o.Refused {
		return s.Refused
	}
	if !s.Refused {
		// s.Remaining/s.Limit < o.Remaining/o.Limit, in 128 bits.
		sHigh, sLow := bits.Mul64(uint64(s.Remaining), uint64(o.Limit))
		oHigh, oLow := bits.Mul64(uint64(o.Remaining), uint64(s.Limit))
		if sHigh != oHigh {
			return sHigh < oHigh
		}
		if sLow != oLow {
			return sLow < oLow
		}
	}
	return s.Reset.After(o.Reset)
}

// windowEnd returns the end of the window that holds now, all in milliseconds
// since the Unix epoch.
func windowEnd(now, window int64) int64 {
	return now - now%window + window
}

// stateOf describes a counter with used units in the window that ends at end, before the
// request counts. All times are in milliseconds.
func stateOf(t *Take, used, end, now int64) State {
	return State{
		Limit:     t.Rate.N,
		Remaining: max(0, t.Rate.N-used),
		Reset:     time.UnixMilli(end),
		Wait:      time.Duration(end-now) * time.Millisecond,
		Refused:   t.Cost > t.Rate.N-used,
	}
}
