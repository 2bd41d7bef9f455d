package body

import (
	"context"
	"sync/atomic"
)

// Budget bounds the memory of all Buffers that share it, in bytes. A nil Budget
// bounds nothing. Memory that lies idle in the pools is not counted: it is there
// for the next Buffer, or for the garbage collector.
//
// Not everybody may take the last of it, so that nobody keeps it from all others:
//
//   - A request whose key is not known yet takes memory only while less than half is in
//     use. The other half is for requests with a good key in the head, whoever fills the
//     first.
//   - Of all that may be taken, the last part is for bodies that need no more than the
//     smallest chunk: large ones that are slow to arrive leave room for small ones.
type Budget struct {
	limit int64
	held  atomic.Int64
}

// forSmall is the part of a Budget, one in so many, that is kept for bodies of the smallest
// chunk.
const forSmall = 8

// NewBudget returns a Budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Held returns how many bytes are in use. They are never more than the limit.
func (b *Budget) Held() int64 { return b.held.Load() }

// take takes n bytes, or none and reports false. verified says that the key of the request
// is known to be good.
func (b *Budget) take(n int64, verified bool) bool {
	if b == nil {
		return true
	}
	most := b.most(n, verified)
	for {
		held := b.held.Load()
		if n > most-held {
			return false
		}
		if b.held.CompareAndSwap(held, held+n) {
			return true
		}
	}
}

// most is how many bytes may be in use after n of them were taken.
func (b *Budget) most(n int64, verified bool) int64 {
	most := b.limit
	if !verified {
		most /= 2
	}
	if n > 1<<minClassBits {
		most -= b.limit / forSmall
	}
	return most
}

func (b *Budget) give(n int64) {
	if b != nil {
		b.held.Add(-n)
	}
}

// Abandon is for a handler chain that has ended in an error or a panic, after
// which the error routes may want the body: the memory is left to the garbage
// collector, and its share of the Budget given back when ctx, which is that of the
// request, is done. After Release it does nothing.
func (p *Replay) Abandon(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.buf == nil || p.buf.held == 0 {
		return
	}
	budget, held := p.buf.budget, p.buf.held
	p.buf.held = 0
	context.AfterFunc(ctx, func() { budget.give(held) })
}
