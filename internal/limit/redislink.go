package limit

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

// redisLink keeps a pipe to the server that counts, and replaces it when that
// moves or the connection breaks. If this fails there is none until connect
// makes one.
type redisLink struct {
	finder  redisFinder
	timeout time.Duration // of a write
	current atomic.Pointer[pipe]

	mu       sync.Mutex
	dialing  *dialing // under way, or nil
	replaced time.Time
	problem  error // why there is no pipe, if that is known

	ctx    context.Context // ended by close
	cancel context.CancelFunc
	work   sync.WaitGroup
}

// dialing is an attempt to connect, which several callers may wait for.
type dialing struct {
	done chan struct{}
	pipe *pipe // if err is nil
	err  error
}

// do sends the command of a call and waits for its answer. A command that the
// server has not executed, because it is not the one that counts, or is gone,
// is sent once more to the one that does.
func (l *redisLink) do(ctx context.Context, c *call) error {
	p := l.current.Load()
	if p == nil {
		return l.notConnected()
	}
	err := p.do(ctx, c)
	hint, again := notExecuted(err, p.conn.address)
	if !again {
		return err
	}
	if p, err = l.replace(ctx, p, hint); err != nil {
		return err
	}
	return p.do(ctx, c)
}

// notConnected says why there is no pipe. The reason is only told: however long dialling
// took, it is no late answer.
func (l *redisLink) notConnected() error {
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
	var answered serverError
	if !errors.As(err, &answered) {
		return "", false
	}
	if hint, yes = movedTo(answered, asked); yes {
		return hint, true
	}
	return "", answered.readOnly()
}

// connect returns the pipe, and makes one if there is none.
func (l *redisLink) connect(ctx context.Context) (*pipe, error) {
	if p := l.current.Load(); p != nil {
		return p, nil
	}
	return l.replace(ctx, nil, "")
}

// replace returns the pipe that has come in the place of the old one.
func (l *redisLink) replace(ctx context.Context, old *pipe, hint string) (*pipe, error) {
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
func (l *redisLink) dial(old *pipe, hint string) (*dialing, error) {
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
func (l *redisLink) finish(d *dialing, old *pipe, hint string) {
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

// serve hands out the answers of a pipe until its connection breaks or the link
// is closed.
func (l *redisLink) serve(p *pipe) {
	stop := context.AfterFunc(l.ctx, func() { p.fail(errClosed) })
	p.read()
	stop()
	l.lost(p)
}

// lost replaces a broken pipe. As nobody need have noticed, an idle connection
// that the server closes disturbs no request.
func (l *redisLink) lost(p *pipe) {
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
func (l *redisLink) drop(p *pipe, why error) {
	l.mu.Lock()
	if l.current.CompareAndSwap(p, nil) {
		l.problem = fmt.Errorf("%s: %w", p.conn.address, why)
	}
	l.mu.Unlock()
	p.fail(why)
}

// close gives everything up and waits for nothing that could hang.
func (l *redisLink) close() {
	l.mu.Lock()
	l.cancel()
	l.current.Store(nil)
	l.mu.Unlock()
	l.work.Wait()
}
