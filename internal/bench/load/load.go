//go:build linux

// Package load sends HTTP requests over connections that stay open, and times the answers.
//
// In a closed loop a request is sent when an answer has come: that finds how much a server can
// do, and no more, because whoever waits for a slow answer sends nothing meanwhile. In an open
// loop requests are due at fixed times, and their latency counts from when they were due, also
// if no connection was free then: so a stall of the server is seen by all that came in it.
//
// It is one thread with epoll, so that the load takes little of the CPU time that it is about.
package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long answers are waited for when all has been sent.
const grace = 10 * time.Second

// Result is what a run has shown.
type Result struct {
	Requests   int
	Throughput float64 // requests/s
	P50, P99   time.Duration
}

// Generator holds the connections.
type Generator struct {
	conns   []*conn
	idle    []*conn // first in, first out: so all connections are used, however many
	active  int
	epoll   *poller
	latency []time.Duration
}

// Dial opens connections, in turn to each of the addresses. All will send the same request, which
// must be one whole HTTP/1.1 request.
func Dial(addrs []string, connections int, request []byte) (*Generator, error) {
	if err := roomForFiles(connections); err != nil {
		return nil, err
	}
	epoll, err := newPoller()
	if err != nil {
		return nil, err
	}
	g := &Generator{epoll: epoll}
	for i := range connections {
		c := &conn{addr: addrs[i%len(addrs)], request: request, fd: -1}
		g.conns = append(g.conns, c)
		if err := c.dial(epoll, i); err != nil {
			g.Close()
			return nil, err
		}
	}
	g.idle = slices.Clone(g.conns)
	return g, nil
}

// Close closes all connections.
func (g *Generator) Close() {
	for _, c := range g.conns {
		c.close()
	}
	g.epoll.close()
}

// roomForFiles raises the limit of open files, for this process and those it starts.
func roomForFiles(connections int) error {
	need := uint64(connections + 2000)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("reading the limit of open files: %w", err)
	}
	if limit.Cur >= need {
		return nil
	}
	limit.Cur, limit.Max = need, max(limit.Max, need)
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d connections need %d open files (ulimit -Hn): %w", connections, need, err)
	}
	return nil
}

// pace says when requests are to be sent.
type pace interface {
	// next reports whether a request is to be sent now, and when it was due. Times are since the run began.
	next(now time.Duration, active int) (due time.Duration, ok bool)
	// at is when next should be asked again, if nothing else happens before.
	at() time.Duration
	// over reports whether nothing is to be sent any more.
	over(now time.Duration) bool
}

// closed sends while fewer than so many requests wait for their answers.
type closed struct {
	active int
	end    time.Duration
}

func (p *closed) next(now time.Duration, active int) (time.Duration, bool) {
	return now, active < p.active && !p.over(now)
}
func (p *closed) at() time.Duration           { return p.end }
func (p *closed) over(now time.Duration) bool { return now >= p.end }

// open sends at a fixed rate.
type open struct {
	rate  float64 // requests/s
	count int     // how many
	sent  int
}

func (p *open) next(now time.Duration, _ int) (time.Duration, bool) {
	due := p.at()
	if p.over(now) || now < due {
		return 0, false
	}
	p.sent++
	return due, true
}

func (p *open) at() time.Duration {
	return time.Duration(float64(p.sent) / p.rate * float64(time.Second))
}
func (p *open) over(time.Duration) bool { return p.sent == p.count }

// each sends so many requests, one on each connection.
type each struct{ active, left int }

func (p *each) next(now time.Duration, active int) (time.Duration, bool) {
	if active >= p.active || p.left == 0 {
		return 0, false
	}
	p.left--
	return now, true
}
func (p *each) at() time.Duration       { return math.MaxInt64 }
func (p *each) over(time.Duration) bool { return p.left == 0 }

// Each sends one request on each connection, and never more than so many at once: what a server
// does for the first request only is then done.
func (g *Generator) Each(ctx context.Context, active int) error {
	_, err := g.run(ctx, &each{active: min(active, len(g.conns)), left: len(g.conns)}, time.Minute)
	return err
}

// Closed keeps so many requests on their way, each on another connection.
func (g *Generator) Closed(ctx context.Context, active int, duration time.Duration) (Result, error) {
	return g.run(ctx, &closed{active: min(active, len(g.conns)), end: duration}, duration)
}

// Open sends rate requests per second.
func (g *Generator) Open(ctx context.Context, rate float64, duration time.Duration) (Result, error) {
	return g.run(ctx, &open{rate: rate, count: int(rate * duration.Seconds())}, duration)
}

func (g *Generator) run(ctx context.Context, p pace, duration time.Duration) (Result, error) {
	g.latency = g.latency[:0]
	begun := time.Now()
	now := time.Duration(0)
	for ; !p.over(now) || g.active > 0; now = time.Since(begun) {
		if err := ctx.Err(); err != nil {
			return Result{}, err
		}
		if now > duration+grace {
			return Result{}, fmt.Errorf("%s after the end of the load %d requests have no answer, or could not be sent", grace, g.active)
		}
		if err := g.send(p, now); err != nil {
			return Result{}, err
		}
		if err := g.receive(p, begun, now); err != nil {
			return Result{}, err
		}
	}
	return g.result(now)
}

// send begins what is due, as far as connections are free.
func (g *Generator) send(p pace, now time.Duration) error {
	for len(g.idle) > 0 {
		due, ok := p.next(now, g.active)
		if !ok {
			return nil
		}
		c := g.idle[0]
		g.idle = g.idle[1:]
		g.active++
		if err := c.begin(due); err != nil {
			return err
		}
	}
	return nil
}

// receive waits until something happens: an answer, room to write, or the time to send.
func (g *Generator) receive(p pace, begun time.Time, now time.Duration) error {
	wait := time.Duration(math.MaxInt64)
	if len(g.idle) > 0 && !p.over(now) {
		wait = p.at() - time.Since(begun)
	}
	ready, err := g.epoll.wait(wait)
	if err != nil {
		return err
	}
	for _, event := range ready {
		c := g.conns[event.Fd]
		done, err := c.proceed()
		if err != nil {
			return fmt.Errorf("request to %s: %w", c.addr, err)
		}
		if !done {
			continue
		}
		g.latency = append(g.latency, time.Since(begun)-c.due)
		g.active--
		g.idle = append(g.idle, c)
	}
	return nil
}

func (g *Generator) result(took time.Duration) (Result, error) {
	n := len(g.latency)
	if n == 0 {
		return Result{}, errors.New("no request was answered")
	}
	slices.Sort(g.latency)
	return Result{
		Requests:   n,
		Throughput: float64(n) / took.Seconds(),
		P50:        percentile(g.latency, 50),
		P99:        percentile(g.latency, 99),
	}, nil
}

// percentile returns the smallest value that so many percent of all are not above.
func percentile(sorted []time.Duration, percent int) time.Duration {
	return sorted[max((len(sorted)*percent+99)/100, 1)-1]
}
