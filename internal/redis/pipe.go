package redis

import (
	"bufio"
	"context"
	"errors"
	"runtime"
	"sync"
	"time"
)

// Limits of what can pile up while a server hangs.
const (
	maxUnanswered = 10_000  // calls
	maxUnwritten  = 1 << 20 // bytes; one call is at most 130 KB
)

var (
	errGone   = errors.New("the connection is gone")
	errClosed = errors.New("closed")
	errCrowd  = errors.New("too many requests wait for an answer")
)

// Call is a command, and the answer once Client.Do has returned without an error.
// It can be used again then, one Do at a time.
type Call struct {
	Command  []byte
	Reply    Reply
	asking   bool          // ASKING goes before the command
	answered chan struct{} // gets one value
	next     *Call         // in the order of commands
}

// NewCall returns a call without a command.
func NewCall() *Call { return &Call{answered: make(chan struct{}, 1)} }

// asking makes a node to which the slot is moving execute the next command.
const asking = "*1\r\n$6\r\nASKING\r\n"

// readReply reads the answer to the command. If ASKING was refused, the command was
// refused, too.
func (c *Call) readReply(in *bufio.Reader) error {
	var refused error
	if c.asking {
		if err := readReply(in, &c.Reply); err != nil {
			return err
		}
		refused, c.asking = c.Reply.err, false
	}
	err := readReply(in, &c.Reply)
	if refused != nil {
		c.Reply.err = refused
	}
	return err
}

// pipe is a connection to a server that many callers share: it sends their
// commands as they come, without waiting for answers, which come in the same
// order. A caller that stops waiting does not disturb the others: its answer is dropped
// when it comes.
type pipe struct {
	conn    *serverConn
	timeout time.Duration // of a write, and of answers once the pipe is retired

	// The lock is never held while anything waits.
	mu          sync.Mutex
	over        bool  // no more calls are let in
	err         error // why the connection is closed
	first, last *Call // not answered yet
	unanswered  int
	unwritten   []byte
	spare       []byte // to be used for unwritten next
	writing     bool   // or about to
}

// do sends the command of a call and waits for its answer. The error is
// errGone if nothing was sent. After any error but a ServerError the call must
// not be used again: the answer may still come.
func (p *pipe) do(ctx context.Context, c *Call) error {
	if err := p.send(c); err != nil {
		return err
	}
	select {
	case <-c.answered:
		return c.Reply.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send queues the call, and writes the command or leaves that to another goroutine. A
// single caller writes by itself, which is fast because the connection is empty. No
// caller waits while the commands of others are written.
func (p *pipe) send(c *Call) error {
	p.mu.Lock()
	if err := p.refuse(c); err != nil {
		p.mu.Unlock()
		return err
	}
	if p.last == nil {
		p.first = c
	} else {
		p.last.next = c
	}
	p.last = c
	p.unanswered++
	if c.asking {
		p.unwritten = append(p.unwritten, asking...)
	}
	p.unwritten = append(p.unwritten, c.Command...)
	alone, writing := p.unanswered == 1, p.writing
	p.writing = true
	p.mu.Unlock()
	switch {
	case writing:
	case alone:
		p.write()
	default:
		go p.gather()
	}
	return nil
}

func (p *pipe) refuse(c *Call) error {
	switch {
	case p.over:
		return errGone
	case p.unanswered >= maxUnanswered || len(p.unwritten)+len(c.Command) > maxUnwritten:
		return errCrowd
	default:
		return nil
	}
}

// gather lets other ready callers queue their commands, and writes for all of them.
func (p *pipe) gather() {
	runtime.Gosched()
	p.write()
}

// write writes what is queued. Commands that come meanwhile are for the next write.
func (p *pipe) write() {
	p.mu.Lock()
	batch := p.unwritten
	p.unwritten = p.spare[:0]
	p.mu.Unlock()
	_ = p.conn.SetWriteDeadline(time.Now().Add(p.timeout))
	if _, err := p.conn.Write(batch); err != nil {
		p.fail(err)
		return
	}
	p.mu.Lock()
	p.spare = batch
	p.writing = len(p.unwritten) > 0
	more := p.writing
	p.mu.Unlock()
	if more {
		go p.gather()
	}
}

// read hands out the answers until the connection breaks.
func (p *pipe) read() {
	for {
		_, err := p.conn.in.Peek(1)
		if err != nil {
			p.fail(err)
			return
		}
		c := p.pop()
		if c == nil {
			p.fail(errProtocol)
			return
		}
		if err := c.readReply(p.conn.in); err != nil {
			p.fail(err)
			c.Reply.err = err
			c.answered <- struct{}{}
			return
		}
		c.answered <- struct{}{}
	}
}

// pop returns the call that is answered next, or nil.
func (p *pipe) pop() *Call {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.first
	if c == nil {
		return nil
	}
	p.first, c.next = c.next, nil
	if p.first == nil {
		p.last = nil
	}
	p.unanswered--
	return c
}

// fail closes the connection and answers all calls with the error, or with the error of
// the first failure. It takes all calls at once: read may still find answers in its
// buffer, which must not go to the wrong calls.
func (p *pipe) fail(err error) {
	p.mu.Lock()
	p.over = true
	if p.err == nil {
		p.err = err
	}
	err = p.err
	c := p.first
	p.first, p.last, p.unanswered = nil, nil, 0
	p.mu.Unlock()
	_ = p.conn.Close()
	for c != nil {
		next := c.next
		c.next, c.Reply.err = nil, err
		c.answered <- struct{}{}
		c = next
	}
}

// failure returns why the connection is closed.
func (p *pipe) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *pipe) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

// retire accepts no more calls. Calls that are under way still get their time for an
// answer.
func (p *pipe) retire() {
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	_ = p.conn.SetReadDeadline(time.Now().Add(p.timeout))
}
