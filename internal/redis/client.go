package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// minReplace is the shortest time between automatic replacements of a connection, so that
// a server that drops every connection is not dialled in a loop.
const minReplace = time.Second

var errNotConnected = errors.New("not connected")

// Client keeps one connection to the right server, shared by many callers. It replaces
// the connection when the server moves or the connection breaks. If that fails, there is
// no connection until Connect makes one.
type Client struct {
	finder  finder
	timeout time.Duration // of a write
	current atomic.Pointer[pipe]

	mu       sync.Mutex
	dialing  *dialing // under way, or nil
	second   *dialing // the connection beside the current one, see ask; or nil
	replaced time.Time
	problem  error // why there is no pipe, if that is known

	ctx    context.Context // ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// dialing is an attempt to connect, which several callers may wait for.
type dialing struct {
	address string // if that was given
	done    chan struct{}
	pipe    *pipe // if err is nil
	err     error
}

// wait returns the result of the attempt.
func (d *dialing) wait(ctx context.Context) (*pipe, error) {
	select {
	case <-d.done:
		return d.pipe, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Do sends the command of a call and waits for its answer. It fails at once if
// there is no connection. If the server has not executed the command, because it is no
// longer the right one, or is gone, Do sends the command once more to the right server.
//
// The error is that of ctx, a ServerError, or what is wrong with the connection.
// After any but a ServerError the call must not be used again: the answer may
// still come.
func (c *Client) Do(ctx context.Context, call *Call) error {
	p := c.current.Load()
	if p == nil {
		return c.notConnected()
	}
	err := p.do(ctx, call)
	if err == nil {
		return nil
	}
	if hint, again := notExecuted(err, p.conn.address); again {
		if p, err = c.replace(ctx, p, hint); err != nil {
			return err
		}
		err = p.do(ctx, call)
	}
	if address, ok := c.finder.asks(err, p.conn.address); ok {
		return c.ask(ctx, call, address)
	}
	return err
}

// notConnected says why there is no pipe. It hides the type of the reason, because a slow
// dial is not a late answer.
func (c *Client) notConnected() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.problem == nil {
		return errNotConnected
	}
	return fmt.Errorf("%w: %s", errNotConnected, c.problem.Error())
}

// notExecuted reports whether the error says so, and perhaps which node to ask
// instead.
func notExecuted(err error, asked string) (hint string, yes bool) {
	if errors.Is(err, errGone) {
		return "", true
	}
	var answered ServerError
	if !errors.As(err, &answered) {
		return "", false
	}
	if hint, yes = answered.sendsOn("MOVED", asked); yes {
		return hint, true
	}
	return "", answered.readOnly()
}

// Connect makes a connection if there is none. If the connection then fails to work, call
// drop: it gives the connection up, so that the next Connect looks for the server again.
func (c *Client) Connect(ctx context.Context) (drop func(why error), err error) {
	p := c.current.Load()
	if p == nil {
		if p, err = c.replace(ctx, nil, ""); err != nil {
			return nil, err
		}
	}
	return func(why error) { c.drop(p, why) }, nil
}

// replace returns the pipe that replaced the old one.
func (c *Client) replace(ctx context.Context, old *pipe, hint string) (*pipe, error) {
	c.mu.Lock()
	switch p := c.current.Load(); p {
	case old:
	case nil:
		c.mu.Unlock()
		return nil, errNotConnected // somebody else has tried
	default:
		c.mu.Unlock()
		return p, nil
	}
	d, err := c.dial(old, hint)
	c.mu.Unlock()
	if err != nil {
		return nil, err
	}
	return d.wait(ctx)
}

// dial starts to connect, unless somebody else has. The lock is held.
func (c *Client) dial(old *pipe, hint string) (*dialing, error) {
	if c.ctx.Err() != nil {
		return nil, errClosed
	}
	if c.dialing == nil {
		d := &dialing{done: make(chan struct{})}
		c.dialing = d
		c.work.Go(func() { c.finish(d, old, hint) })
	}
	return c.dialing, nil
}

// finish connects, and puts the new pipe in the place of the old one.
func (c *Client) finish(d *dialing, old *pipe, hint string) {
	conn, err := c.finder.find(c.ctx, hint)
	if err == nil {
		d.pipe = &pipe{conn: conn, timeout: c.timeout}
	}
	d.err = err
	c.mu.Lock()
	c.dialing, c.problem = nil, err
	c.leaveSecond()
	c.current.Store(d.pipe)
	c.mu.Unlock()
	close(d.done)
	if old != nil {
		old.retire()
	}
	if d.pipe != nil {
		c.work.Go(func() { c.serve(d.pipe) })
	}
}

// serve hands out the answers of a pipe until its connection breaks or the client
// is closed.
func (c *Client) serve(p *pipe) {
	stop := context.AfterFunc(c.ctx, func() { p.fail(errClosed) })
	p.read()
	stop()
	c.lost(p)
}

// lost replaces a broken pipe. It does not wait for a request, so no request is disturbed
// if the server closes an idle connection.
func (c *Client) lost(p *pipe) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current.Load() != p || c.dialing != nil {
		return
	}
	if c.ctx.Err() != nil || time.Since(c.replaced) < minReplace {
		c.problem = fmt.Errorf("%s: %w", p.conn.address, p.failure())
		c.current.Store(nil)
		return
	}
	c.replaced = time.Now()
	_, _ = c.dial(p, "")
}

// drop gives the pipe up.
func (c *Client) drop(p *pipe, why error) {
	c.mu.Lock()
	if c.current.CompareAndSwap(p, nil) {
		c.problem = fmt.Errorf("%s: %w", p.conn.address, why)
	}
	c.mu.Unlock()
	p.fail(why)
}

// Close gives up everything, and does not wait for anything that could hang. Do and
// Connect fail from then on.
func (c *Client) Close() {
	c.mu.Lock()
	c.cancel()
	c.current.Store(nil)
	c.mu.Unlock()
	c.work.Wait()
}
