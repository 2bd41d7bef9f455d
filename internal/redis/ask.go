package redis

import (
	"context"
	"errors"
)

// While a cluster moves the slot to another node, the old node answers ASK for keys that
// it no longer has, or never had: ask the other node, for each command. That needs a
// second connection.

// ask sends the command of a call to the node to which the slot is moving. If the
// connection was closed while it was idle, it sends the command once more.
func (c *Client) ask(ctx context.Context, call *Call, address string) error {
	err := c.askOnce(ctx, call, address)
	if errors.Is(err, errGone) {
		err = c.askOnce(ctx, call, address)
	}
	return err
}

func (c *Client) askOnce(ctx context.Context, call *Call, address string) error {
	d, err := c.beside(address)
	if err != nil {
		return err
	}
	p, err := d.wait(ctx)
	if err != nil {
		return err
	}
	call.asking = true
	return p.do(ctx, call)
}

// beside returns the second connection, to the node at the address, and begins to connect
// if there is none.
func (c *Client) beside(address string) (*dialing, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, errClosed
	}
	if c.second == nil || c.second.address != address || c.second.over() {
		c.leaveSecond()
		d := &dialing{address: address, done: make(chan struct{})}
		c.second = d
		c.work.Go(func() { c.enterSecond(d) })
	}
	return c.second, nil
}

// enterSecond connects to the node. It does not check whether the node has the slot: it
// will have it later.
func (c *Client) enterSecond(d *dialing) {
	conn, err := c.finder.enter(c.ctx, d.address, func(Do) error { return nil })
	if d.err = err; err == nil {
		d.pipe = &pipe{conn: conn, timeout: c.timeout}
	}
	close(d.done)
	if d.pipe != nil {
		c.serve(d.pipe)
	}
}

// leaveSecond gives up the second connection. The lock is held.
func (c *Client) leaveSecond() {
	d := c.second
	if d == nil {
		return
	}
	c.second = nil
	c.work.Go(func() {
		<-d.done
		if d.pipe != nil {
			d.pipe.retire()
		}
	})
}

// over reports whether the attempt has failed or its connection has ended.
func (d *dialing) over() bool {
	select {
	case <-d.done:
		return d.err != nil || d.pipe.isOver()
	default:
		return false
	}
}
