package cache

import (
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// budget limits the reads of a source. Known keys and all other digests have half of it
// each, and may use the unused part of the other half. So neither a flood of random keys
// nor the refreshing of many records can starve the other.
//
// The cap protects the source from floods and from many gateways at once. But it must not
// stop an empty cache from filling while the source is quick: good keys would be refused
// although nothing is wrong. So reads of digests that are not in the cache may go beyond
// the cap while there is an allowance. It starts with as many reads as the cache has room
// for, and halves every ten seconds. A read beyond the cap takes one from it. A read that
// fills an empty place, within the cap or beyond, adds one. So for whatever reason a cache
// is empty, the first reads that find records allow more reads, until the cache fills as
// fast as the source answers. Reads that find nothing or evict another record use up the
// allowance: a cache that has the keys in use, or is too small for them, has only the cap. A
// flood of random keys can go beyond the cap only in the first minute or two.
//
// The number of reads beyond the cap at the same time adapts to the source: every quick
// answer adds one, up to maxWidth, every slow answer takes one away, and every failure
// halves the number. While the source fails it is zero.
type budget struct {
	mu           sync.Mutex // a limiter counts double if its clock seems to go back
	known, other *rate.Limiter
	spare        float64 // a half with more unused reads than this can lend

	allowance float64
	most      float64   // of the allowance
	reckoned  time.Time // when the allowance was
	width     int       // how many reads may be beyond the cap at the same time
	beyond    int       // how many are beyond it now
	latency   time.Duration

	line    line
	timeout time.Duration
	timer   *time.Timer // fires when the cap may allow the next turn; nil if nobody waits
}

const (
	// maxWidth is the number of connections that the Vault source keeps.
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

// take takes a read from its own half, or from the other half if that has unused reads.
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

// reckon lets the allowance shrink with time.
func (b *budget) reckon(now time.Time) {
	b.allowance *= math.Exp2(-float64(now.Sub(b.reckoned)) / float64(halfLife))
	b.reckoned = now
}

// ended is the result of a read.
type ended uint8

const (
	endedFailed ended = iota // the source could not say
	endedIdle                // no record, or a record that came too late or evicted another
	endedFilled              // a record filled an empty place
)

// end takes back the turn of a read that has ended, and gives out the next turn.
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
