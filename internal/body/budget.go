package body

import (
	"context"
	"sync/atomic"
)

// Budget limits the memory of all Buffers that share it, in bytes. A nil Budget limits
// nothing. Idle memory in the pools is not counted: it is free for the next Buffer, or
// for the garbage collector.
//
// Not every request may use all of it, so that nobody can take it away from all others:
//
//   - A request whose key is not known yet gets memory only while less than half is in use. The other half is for requests with a good key in the head.
//   - The last part of what a request may use is for bodies that need only the smallest chunk: large slow bodies leave room for small ones.
type Budget struct {
	limit int64
	held  atomic.Int64
}

// One forSmall-th of a Budget is kept for bodies of the smallest chunk.
const forSmall = 8

// NewBudget returns a Budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Held returns how many bytes are in use. They are never more than the limit.
func (b *Budget) Held() int64 { return b.held.Load() }

// take takes n bytes, or none and reports false. verified says that the key of the request
// is good.
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

// Abandon is for a handler chain that ended in an error or a panic. Error routes may
// still read the body, so the memory is left to the garbage collector, and its share of
// the Budget is given back when ctx, the context of the request, is done. After Release
// it does nothing.
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
