package wire

import (
	"slices"
	"sync"
	"time"
)

// key says where a connection goes.
type key struct{ network, address string }

// pool holds the idle connections. The zero value is ready to use.
type pool struct {
	mu      sync.Mutex
	conns   map[key][]*conn // the most recently used is last
	timer   *time.Timer     // removes old connections, nil when there are none
	timeout time.Duration
	closed  bool
}

// put keeps c for get, or closes it if there are enough.
func (p *pool) put(c *conn, t *Transport) {
	c.since, c.reused = time.Now(), true
	if !p.add(c, t) {
		_ = c.Close()
	}
}

func (p *pool) add(c *conn, t *Transport) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.conns[c.key]) >= t.maxIdle() {
		return false
	}
	if p.conns == nil {
		p.conns = map[key][]*conn{}
	}
	p.conns[c.key] = append(p.conns[c.key], c)
	if p.timer == nil {
		p.timeout = t.idleTimeout()
		p.timer = time.AfterFunc(p.timeout, p.expire)
	}
	return true
}

// get returns the most recently used connection, nil if there is none. It asks the operating
// system whether the backend has closed it meanwhile, so that no request gets lost.
func (p *pool) get(k key) *conn {
	for {
		c := p.remove(k)
		if c == nil || c.quiet() {
			return c
		}
		_ = c.Close()
	}
}

func (p *pool) remove(k key) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	conns := p.conns[k]
	if len(conns) == 0 {
		return nil
	}
	last := len(conns) - 1
	c := conns[last]
	conns[last] = nil
	p.conns[k] = conns[:last]
	return c
}

// expire closes connections that are too old, and runs again when the next one is too
// old.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	next := p.timeout
	for k, conns := range p.conns {
		old := 0
		for ; old < len(conns) && now.Sub(conns[old].since) >= p.timeout; old++ {
			_ = conns[old].Close()
		}
		if p.conns[k] = slices.Delete(conns, 0, old); len(p.conns[k]) == 0 {
			delete(p.conns, k)
			continue
		}
		next = min(next, p.timeout-now.Sub(p.conns[k][0].since))
	}
	if len(p.conns) == 0 {
		p.timer = nil
		return
	}
	p.timer.Reset(next)
}

// clear closes all.
func (p *pool) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conns := range p.conns {
		for _, c := range conns {
			_ = c.Close()
		}
	}
	p.conns = nil
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}

// close makes the pool keep no connection any more.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
}
