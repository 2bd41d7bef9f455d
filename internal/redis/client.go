package redis

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// minReplace is the least time between connections that are replaced without
// being asked: a server that drops every connection is not dialled in a loop.
const minReplace = time.Second

var errNotConnected = errors.New("not connected")

// Client keeps one connection to the right server, which many callers share, and
// replaces it when the server moves or the connection breaks. If this fails there
// is none until Connect makes one.
type Client struct {
	finder  finder
	timeout time.Duration // of a write
	current atomic.Pointer[pipe]

	mu       sync.Mutex
	dialing  *dialing // under way, or nil
	replaced time.Time
	problem  error // why there is no pipe, if that is known

	ctx    context.Context // ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// dialing is an attempt to connect, which several callers may wait for.
type dialing struct {
	done chan struct{}
	pipe *pipe // if err is nil
	err  error
}

// Do sends the command of a call and waits for its answer. It fails at once if
// there is no connection. A command that the server has not executed, because it
// is not the right one any more, or is gone, is sent once more to the one that is.
//
// The error is that of ctx, a ServerError, or what is wrong with the connection.
// After any but a ServerError the call must not be used again: the answer may
// still come.
func (l *Client) Do(ctx context.Context, call *Call) error {
	p := l.current.Load()
	if p == nil {
		return l.notConnected()
	}
	err := p.do(ctx, call)
	hint, again := notExecuted(err, p.conn.address)
	if !again {
		return err
	}
	if p, err = l.replace(ctx, p, hint); err != nil {
		return err
	}
	return p.do(ctx, call)
}

// notConnected says why there is no pipe. The reason is only told: however long dialling
// took, it is no late answer.
func (l *Client) notConnected() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.problem == nil {
		return errNotConnected
	}
	return fmt.Errorf("%w: %s", errNotConnected, l.problem.Error())
}

// notExecuted reports whether the error says so, and perhaps which node to ask
// instead.
func notExecuted(err error, asked string) (hint string, yes bool) {
	if err == nil {
		return "", false
	}
	if errors.Is(err, errGone) {
		return "", true
	}
	var answered ServerError
	if !errors.As(err, &answered) {
		return "", false
	}
	if hint, yes = movedTo(answered, asked); yes {
		return hint, true
	}
	return "", answered.readOnly()
}

// Connect makes a connection if there is none. If what is done with it fails, drop
// gives it up, so that the next Connect looks for the server anew.
func (l *Client) Connect(ctx context.Context) (drop func(why error), err error) {
	p := l.current.Load()
	if p == nil {
		if p, err = l.replace(ctx, nil, ""); err != nil {
			return nil, err
		}
	}
	return func(why error) { l.drop(p, why) }, nil
}

// replace returns the pipe that has come in the place of the old one.
func (l *Client) replace(ctx context.Context, old *pipe, hint string) (*pipe, error) {
	l.mu.Lock()
	switch p := l.current.Load(); p {
	case old:
	case nil:
		l.mu.Unlock()
		return nil, errNotConnected // somebody else has tried
	default:
		l.mu.Unlock()
		return p, nil
	}
	d, err := l.dial(old, hint)
	l.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case <-d.done:
		return d.pipe, d.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// dial starts to connect, unless somebody else has. The lock is held.
func (l *Client) dial(old *pipe, hint string) (*dialing, error) {
	if l.ctx.Err() != nil {
		return nil, errClosed
	}
	if l.dialing == nil {
		d := &dialing{done: make(chan struct{})}
		l.dialing = d
		l.work.Go(func() { l.finish(d, old, hint) })
	}
	return l.dialing, nil
}

// finish connects, and puts the new pipe in the place of the old one.
func (l *Client) finish(d *dialing, old *pipe, hint string) {
	conn, err := l.finder.find(l.ctx, hint)
	if err == nil {
		d.pipe = &pipe{conn: conn, timeout: l.timeout}
	}
	d.err = err
	l.mu.Lock()
	l.dialing, l.problem = nil, err
	l.current.Store(d.pipe)
	l.mu.Unlock()
	close(d.done)
	if old != nil {
		old.retire()
	}
	if d.pipe != nil {
		l.work.Go(func() { l.serve(d.pipe) })
	}
}

// serve hands out the answers of a pipe until its connection breaks or the client
// is closed.
func (l *Client) serve(p *pipe) {
	stop := context.AfterFunc(l.ctx, func() { p.fail(errClosed) })
	p.read()
	stop()
	l.lost(p)
}

// lost replaces a broken pipe. As nobody need have noticed, an idle connection
// that the server closes disturbs no request.
func (l *Client) lost(p *pipe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Load() != p || l.dialing != nil {
		return
	}
	if l.ctx.Err() != nil || time.Since(l.replaced) < minReplace {
		l.problem = fmt.Errorf("%s: %w", p.conn.address, p.failure())
		l.current.Store(nil)
		return
	}
	l.replaced = time.Now()
	_, _ = l.dial(p, "")
}

// drop gives the pipe up.
func (l *Client) drop(p *pipe, why error) {
	l.mu.Lock()
	if l.current.CompareAndSwap(p, nil) {
		l.problem = fmt.Errorf("%s: %w", p.conn.address, why)
	}
	l.mu.Unlock()
	p.fail(why)
}

// Close gives everything up and waits for nothing that could hang. Do and Connect
// fail from then on.
func (l *Client) Close() {
	l.mu.Lock()
	l.cancel()
	l.current.Store(nil)
	l.mu.Unlock()
	l.work.Wait()
}
