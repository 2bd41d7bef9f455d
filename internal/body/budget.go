package body

import (
	"context"
	"sync/atomic"
)

// Budget bounds the memory of all Buffers that share it, in bytes. A nil Budget
// bounds nothing. Memory that lies idle in the pools is not counted: it is there
// for the next Buffer, or for the garbage collector.
type Budget struct {
	limit int64
	held  atomic.Int64
}

// NewBudget returns a Budget of limit bytes.
func NewBudget(limit int64) *Budget { return &Budget{limit: limit} }

// Held returns how many bytes are in use. They are never more than the limit.
func (b *Budget) Held() int64 { return b.held.Load() }

// take takes n bytes, or none and reports false.
func (b *Budget) take(n int64) bool {
	if b == nil {
		return true
	}
	for {
		held := b.held.Load()
		if n > b.limit-held {
			return false
		}
		if b.held.CompareAndSwap(held, held+n) {
			return true
		}
	}
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
