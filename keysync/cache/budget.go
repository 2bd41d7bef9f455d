package cache

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// budget caps the reads of a source. Known keys and all other digests have half
// of it each, and may use what the other half leaves: so neither a flood of
// random keys nor the refreshing of many records can starve the other.
//
// The cap protects the source from floods and from many gateways at once. It must not
// keep an empty cache from filling while the source is quick: good keys would be refused
// although nothing is wrong. So reads of digests that are not in the cache may go beyond
// the cap while there is an allowance. It begins with as many reads as the cache has room
// for, and halves every ten seconds. A read beyond the cap takes one from it; one that
// fills an empty place, within the cap or beyond, adds one. So whatever has made a cache
// empty, the first reads that find records make room for more, until it fills as fast as the
// source answers. What finds nothing or evicts another record uses the allowance up: a cache
// that holds what is in use, or is too small for it, has the cap alone. A flood of
// random keys can go beyond the cap in the first minute or two only.
//
// How many reads are beyond the cap at the same time follows what the source can bear: one
// more with every quick answer, up to maxWidth, one fewer with one that is not, and half
// as many with every failure. While it fails there are none.
type budget struct {
	mu           sync.Mutex // a limiter counts double if its clock seems to go back
	known, other *rate.Limiter
	spare        float64 // a half with more reads saved up than this can lend

	allowance float64
	most      float64   // of the allowance
	reckoned  time.Time // when the allowance was
	width     int       // how many reads may be beyond the cap at the same time
	beyond    int       // how many are
	latency   time.Duration

	line    line
	timeout time.Duration
	timer   *time.Timer // fires when the cap may allow for the next turn; nil if nobody waits
}

const (
	// maxWidth is as many connections as the source in Vault keeps.
	maxWidth = 64

	halfLife = 10 * time.Second // of the allowance
)

func newBudget(o Options) *budget {
	half := rate.Limit(o.Reads) / 2
	burst := max(1, o.Reads/8)
	return &budget{
		known:     rate.NewLimiter(half, burst),
		other:     rate.NewLimiter(half, burst),
		spare:     float64(burst) / 2,
		allowance: float64(o.Size),
		most:      float64(o.Size),
		reckoned:  time.Now(),
		width:     maxWidth,
		timeout:   o.Timeout,
	}
}

// takeKnown takes one read for a known key, if there is one.
func (b *budget) takeKnown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(b.known, b.other, time.Now())
}

// take takes from one's own half, or from the other if that is left unused.
func (b *budget) take(own, other *rate.Limiter, now time.Time) bool {
	return own.AllowN(now, 1) || other.TokensAt(now) > b.spare && other.AllowN(now, 1)
}

// takeOther takes one read for another digest, under the cap or beyond it.
func (b *budget) takeOther(t *turn, now time.Time) bool {
	if b.take(b.other, b.known, now) {
		return true
	}
	if b.reckon(now); b.allowance < 1 || b.beyond >= b.width {
		return false
	}
	b.allowance--
	b.beyond++
	t.beyond = true
	return true
}

// reckon makes the allowance fade.
func (b *budget) reckon(now time.Time) {
	b.allowance *= math.Exp2(-float64(now.Sub(b.reckoned)) / float64(halfLife))
	b.reckoned = now
}

// ended is what has become of a read.
type ended uint8

const (
	endedFailed ended = iota // the source could not say
	endedIdle                // no record, or one that came too late or evicted another
	endedFilled              // a record in a place that was empty
)

// end takes back the turn of a read that has ended, and gives the next.
func (b *budget) end(t *turn, how ended, took time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.reckon(now); t.beyond {
		b.beyond--
	}
	switch how {
	case endedFailed:
		b.width /= 2
		if t.beyond {
			b.allowance++
		}
	case endedFilled:
		b.allowance = min(b.most, b.allowance+1)
		fallthrough
	case endedIdle:
		b.latency += (took - b.latency) / 8
		if took < b.timeout/4 {
			b.width = min(maxWidth, b.width+1)
		} else {
			b.width = max(1, b.width-1)
		}
	}
	b.serve(now)
}
