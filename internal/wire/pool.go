package wire

import (
	"slices"
	"sync"
	"time"
)

// pool holds the idle connections of a client. The zero value is ready to use.
type pool struct {
	mu     sync.Mutex
	conns  []*conn     // the most recently used is last
	timer  *time.Timer // removes old connections, nil when there are none
	closed bool
}

// put keeps c for get, or closes it if there are enough.
func (p *pool) put(c *conn) {
	c.since, c.reused = time.Now(), true
	if !p.add(c) {
		_ = c.Close()
	}
}

func (p *pool) add(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.conns) >= c.client.MaxIdle {
		return false
	}
	p.conns = append(p.conns, c)
	if p.timer == nil {
		timeout := c.client.IdleTimeout
		p.timer = time.AfterFunc(timeout, func() { p.expire(timeout) })
	}
	return true
}

// get returns the most recently used connection, nil if there is none. It asks the operating
// system whether the backend has closed it meanwhile, so that no request gets lost.
func (p *pool) get() *conn {
	for {
		c := p.remove()
		if c == nil || c.quiet() {
			return c
		}
		_ = c.Close()
	}
}

func (p *pool) remove() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.conns) - 1
	if last < 0 {
		return nil
	}
	c := p.conns[last]
	p.conns[last] = nil
	p.conns = p.conns[:last]
	return c
}

// expire closes connections that are older than timeout, and runs again when the next one is.
func (p *pool) expire(timeout time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	old := 0
	for ; old < len(p.conns) && now.Sub(p.conns[old].since) >= timeout; old++ {
		_ = p.conns[old].Close()
	}
	p.conns = slices.Delete(p.conns, 0, old)
	switch {
	case p.closed:
	case len(p.conns) == 0:
		p.timer = nil
	default:
		p.timer.Reset(timeout - now.Sub(p.conns[0].since))
	}
}

// close closes all, and makes the pool keep none any more.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
	if p.timer != nil {
		p.timer.Stop()
	}
}
