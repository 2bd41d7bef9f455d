package keysync

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// budget caps the reads of a source. Known keys and all other digests have half
// of it each, and may use what the other half leaves: so neither a flood of
// random keys nor the refreshing of many records can starve the other.
type budget struct {
	mu           sync.Mutex // a limiter counts double if its clock seems to go back
	known, other *rate.Limiter
	spare        float64 // a half with more reads saved up than this can lend
}

func newBudget(perSecond int) *budget {
	half := rate.Limit(perSecond) / 2
	burst := max(1, perSecond/8)
	return &budget{
		known: rate.NewLimiter(half, burst),
		other: rate.NewLimiter(half, burst),
		spare: float64(burst) / 2,
	}
}

// takeKnown takes one read for a known key, if there is one.
func (b *budget) takeKnown() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(b.known, b.other, time.Now())
}

// reserveOther takes one read for another digest, if there is one within
// maxWait, and returns how long it must wait.
func (b *budget) reserveOther(maxWait time.Duration) (time.Duration, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if b.take(b.other, b.known, now) {
		return 0, true
	}
	r := b.other.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	if wait > maxWait {
		r.CancelAt(now)
		return 0, false
	}
	return wait, true
}

// take takes from one's own half, or from the other if that is left unused.
func (b *budget) take(own, other *rate.Limiter, now time.Time) bool {
	return own.AllowN(now, 1) || other.TokensAt(now) > b.spare && other.AllowN(now, 1)
}
