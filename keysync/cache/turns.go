package cache

import (
	"container/list"
	"context"
	"errors"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// turn is a read of a digest that is not in the cache. It may start, or it waits in line.
type turn struct {
	digest keysync.Digest
	ready  chan struct{} // closed when the read may go ahead
	beyond bool          // beyond the cap

	in    *list.List // where it waits; nil when it does not
	place *list.Element
}

// line has the reads that wait for a turn. Without asking, good and random keys look the
// same. But random keys come once, so a key that comes again is probably good. So digests
// that were turned away a moment ago, or are asked for a second time while they wait, go
// before the others, each group in order of arrival.
type line struct {
	again, first list.List
	turnedAway   recently
}

var errLate = errors.New("no turn in time")

// ask returns a turn, or a place in line. It returns nil if so many wait that the turn
// would come too late.
func (b *budget) ask(d keysync.Digest) *turn {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	t := &turn{digest: d, ready: make(chan struct{})}
	in, ahead := &b.line.first, b.line.first.Len()+b.line.again.Len()
	if b.line.turnedAway.has(d, now) {
		in, ahead = &b.line.again, b.line.again.Len()
	}
	if ahead >= b.places(now) {
		b.line.turnedAway.add(d, now)
		return nil
	}
	t.wait(in)
	b.serve(now)
	return t
}

func (t *turn) wait(in *list.List) { t.in, t.place = in, in.PushBack(t) }

func (t *turn) leave() {
	t.in.Remove(t.place)
	t.in, t.place = nil, nil
}

// again moves a waiting turn before those that are asked for the first time.
func (b *budget) again(t *turn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.in == &b.line.first {
		t.leave()
		t.wait(&b.line.again)
	}
}

// serve gives turns to waiting reads, as many as are allowed now.
func (b *budget) serve(now time.Time) {
	for {
		next := b.line.again.Front()
		if next == nil {
			next = b.line.first.Front()
		}
		if next == nil {
			b.sleep(0)
			return
		}
		t := next.Value.(*turn)
		if !b.takeOther(t, now) {
			b.sleep(b.untilNext(now))
			return
		}
		t.leave()
		close(t.ready)
	}
}

// sleep serves again after a while, or not by itself if that is 0.
func (b *budget) sleep(d time.Duration) {
	switch {
	case d == 0 && b.timer != nil:
		b.timer.Stop()
		b.timer = nil
	case d > 0 && b.timer == nil:
		b.timer = time.AfterFunc(d, func() {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.timer = nil
			b.serve(time.Now())
		})
	}
}

// untilNext returns how long it takes until the cap allows for the next turn.
func (b *budget) untilNext(now time.Time) time.Duration {
	missing := 1 - b.other.TokensAt(now)
	return max(time.Millisecond, time.Duration(missing/float64(b.other.Limit())*float64(time.Second)))
}

// await waits for a turn. The error is errLate if the turn does not come in time.
func (b *budget) await(ctx context.Context, t *turn) error {
	select {
	case <-t.ready: // most need not wait
		return nil
	default:
	}
	patience := time.NewTimer(b.patience())
	defer patience.Stop()
	select {
	case <-t.ready:
		return nil
	case <-patience.C:
		return b.giveUp(t, errLate)
	case <-ctx.Done():
		return b.giveUp(t, ctx.Err())
	}
}

// giveUp leaves the line, unless the turn has come just now.
func (b *budget) giveUp(t *turn, err error) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.in == nil {
		return nil
	}
	t.leave()
	b.line.turnedAway.add(t.digest, time.Now())
	return err
}

// patience is how long a read waits for its turn: three quarters of the time-out if the source
// is quick, and at least half of it. The rest is for the read itself, several times as long
// as one takes at present.
func (b *budget) patience() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waits()
}

func (b *budget) waits() time.Duration {
	return b.timeout - min(b.timeout/2, max(b.timeout/4, 4*b.latency))
}

// places is how many can wait and have their turn in time, at the rate of the cap and, if
// reads may go beyond it, at that of the source.
func (b *budget) places(now time.Time) int {
	perSecond := float64(b.known.Limit() + b.other.Limit())
	if b.reckon(now); b.allowance >= 1 {
		perSecond += float64(b.width) / max(b.latency, time.Millisecond).Seconds()
	}
	return max(1, min(maxPlaces, int(perSecond*b.waits().Seconds())))
}

// maxPlaces bounds what those who wait take in memory.
const maxPlaces = 4096
