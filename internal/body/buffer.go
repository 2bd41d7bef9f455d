package body

import (
	"math/bits"
	"sync"
)

// Size classes are the powers of two from 4 KiB to 16 MiB.
const (
	minClassBits = 12
	maxClassBits = 24
	classes      = maxClassBits - minClassBits + 1
)

// pools holds *chunk by size class.
var pools [classes]sync.Pool

// chunk is memory from a pool. At most one Buffer holds it.
type chunk struct {
	mem   []byte
	class int // index into pools, -1: too large to be pooled
}

// Buffer is a request body in memory that comes from a pool and goes back to it. The Buffer
// itself is never reused, so a stale one cannot reach the bytes of another request. It must
// not be used by two goroutines at once.
type Buffer struct {
	chunk    *chunk
	data     []byte
	decoded  bool // Read has decoded the body
	budget   *Budget
	verified bool   // to the budget
	held     int64  // bytes of the budget
	replay   Replay // is here to save an allocation per request
}

// Get returns an empty Buffer with room for at least sizeHint bytes. More than 16 MiB are
// allocated for this Buffer alone.
func Get(sizeHint int) *Buffer {
	b := &Buffer{chunk: getChunk(sizeHint)}
	b.data = b.chunk.mem[:0]
	return b
}

// newBuffer is Get within a budget. It fails with ErrMemory.
func newBuffer(sizeHint int, l Limits) (*Buffer, error) {
	b := &Buffer{budget: l.Budget, verified: l.Verified}
	return b, b.grow(sizeHint)
}

// waitingBuffer returns a Buffer of the smallest size for a body that has not begun to
// arrive. Until it arrives, the budget is not charged: a client that sends nothing takes
// no memory away from others, and its connection needs more anyway.
func waitingBuffer(l Limits) *Buffer {
	b := Get(0)
	b.budget, b.verified = l.Budget, l.Verified
	return b
}

// charge charges the budget for a waiting Buffer.
func (b *Buffer) charge() error {
	held := chunkSize(0)
	if !b.budget.take(held, b.verified) {
		return ErrMemory
	}
	b.held = held
	return nil
}

// Bytes returns the content. It may be changed in place. It is valid until the next change
// of the Buffer, Free, or the Release of the Replay that took the Buffer over.
func (b *Buffer) Bytes() []byte { return b.data }

// Truncate keeps the first n bytes of the content, 0 <= n <= len(Bytes()).
func (b *Buffer) Truncate(n int) { b.data = b.data[:n] }

// Free overwrites the memory with zeros and gives it back to the pool; b is empty
// afterwards. A second Free does nothing.
func (b *Buffer) Free() {
	c := b.chunk
	b.chunk, b.data = nil, nil
	if c != nil {
		putChunk(c)
	}
	if b.held != 0 {
		b.budget.give(b.held)
		b.held = 0
	}
}

// grow moves the content to the size class that has room for at least size bytes. It fails
// with ErrMemory, and then leaves everything as it was.
func (b *Buffer) grow(size int) error {
	held := chunkSize(size)
	if !b.budget.take(held, b.verified) {
		return ErrMemory
	}
	c := getChunk(size)
	data := c.mem[:copy(c.mem, b.data)]
	b.Free()
	b.chunk, b.data, b.held = c, data, held
	return nil
}

// chunkSize returns how large the chunk is that getChunk returns for size.
func chunkSize(size int) int64 {
	if class := classOf(size); class < classes {
		return 1 << (class + minClassBits)
	}
	return int64(size)
}

func getChunk(size int) *chunk {
	class := classOf(size)
	if class >= classes {
		return &chunk{mem: make([]byte, size), class: -1}
	}
	if c, ok := pools[class].Get().(*chunk); ok {
		return c
	}
	return &chunk{mem: make([]byte, 1<<(class+minClassBits)), class: class}
}

// putChunk wipes: a body may hold a key, which must not outlive its request.
func putChunk(c *chunk) {
	clear(c.mem)
	if c.class >= 0 {
		pools[c.class].Put(c)
	}
}

// classOf returns the smallest class with room for size bytes; classes or more: none has.
func classOf(size int) int {
	if size <= 1<<minClassBits {
		return 0
	}
	return bits.Len(uint(size-1)) - minClassBits
}
