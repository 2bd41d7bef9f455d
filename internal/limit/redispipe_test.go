package limit

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// clients returns the connections that have counted and are open, by the
// numbers that the server gives them.
func clients(s *redistest.Server) string {
	var ids []string
	for line := range strings.SplitSeq(s.Command("CLIENT LIST TYPE normal"), "\n") {
		if id, _, ok := strings.Cut(line, " "); ok && strings.Contains(line, "cmd=eval") {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, " ")
}

// TestRedisAnswersMatch: of many requests at a time on one connection, some of
// which leave early, each gets its own answer.
func TestRedisAnswersMatch(t *testing.T) {
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	before := clients(s)
	var wg sync.WaitGroup
	for i := range 100 {
		take := Take{Key: key(i), Rate: Rate{1 << 40, 1000 * time.Hour}, Cost: int64(i)}
		wg.Go(func() {
			gone, leave := context.WithCancel(context.Background())
			leave()
			states := make([]State, 1)
			for n := int64(1); n <= 100; n++ {
				if _, err := r.Count(gone, OpTake, time.Now(), []Take{take}, states); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				fits, err := r.Count(context.Background(), OpAdd, time.Now(), []Take{take}, states)
				if want := 1<<40 - 2*n*take.Cost; !fits || err != nil || states[0].Remaining != want {
					t.Errorf("counter %d: %v, %v, remaining %d, want %d", i, fits, err, states[0].Remaining, want)
				}
			}
		})
	}
	wg.Wait()
	if after := clients(s); after != before || strings.Contains(after, " ") {
		t.Errorf("connections %q, before %q", after, before)
	}
}

// TestPipeFailsWithAnswersInItsBuffer: answers that have come when the connection
// is given up go to who asked, or to nobody.
func TestPipeFailsWithAnswersInItsBuffer(t *testing.T) {
	const n = 1000
	for range 50 {
		conn, other := net.Pipe()
		var answers bytes.Buffer
		for i := range n {
			fmt.Fprintf(&answers, ":%d\r\n", i)
		}
		p := &pipe{conn: &redisConn{conn, conn, bufio.NewReader(&answers), ""}, writing: true} // so that nothing is written
		all := make([]*call, n)
		for i := range all {
			all[i] = newCall()
			if err := p.send(all[i]); err != nil {
				t.Fatal(err)
			}
		}
		var reading sync.WaitGroup
		reading.Go(p.read)
		<-all[n/10].answered
		p.fail(errClosed)
		reading.Wait()
		other.Close()
		for i, c := range all {
			if i == n/10 {
				continue
			}
			if <-c.answered; c.reply.err == nil && c.reply.numbers[0] != int64(i) {
				t.Fatalf("request %d got the answer of %d", i, c.reply.numbers[0])
			}
		}
	}
}

// TestRedisLateAnswer: requests that leave before their answers come get an
// error that says so, and the connection stays.
func TestRedisLateAnswer(t *testing.T) {
	s := redistest.Start(t)
	r := newRedis(t, "redis://"+s.Addr(), 200*time.Millisecond)
	redistest.Await(t, "a connection", func() bool { return r.Probe(context.Background()) == nil })
	before := clients(s)
	s.Suspend()
	for range 3 {
		if err := countOne(context.Background(), r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	}
	s.Resume()
	redistest.Await(t, "an answer", func() bool { return countOne(context.Background(), r) == nil })
	if after := clients(s); after != before {
		t.Errorf("connections %q, before %q", after, before)
	}
}

// TestRedisClientLeaves: a request whose client hangs up does not wait.
func TestRedisClientLeaves(t *testing.T) {
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr(), Timeout: time.Hour})
	s.Suspend()
	defer s.Resume()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- countOne(ctx, r) }()
	p := r.link.current.Load()
	redistest.Await(t, "the request", func() bool { return unanswered(p) == 1 })
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func unanswered(p *pipe) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.unanswered
}

// TestRedisCrowd: while the server hangs, only so many requests wait, the others
// are refused at once, and when it goes on so does the connection.
func TestRedisCrowd(t *testing.T) {
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr(), Timeout: time.Hour})
	p := r.link.current.Load()
	s.Suspend()
	const extra = 500
	var wg sync.WaitGroup
	var refused atomic.Int32
	for range maxUnanswered + extra {
		wg.Go(func() {
			switch err := countOne(context.Background(), r); {
			case errors.Is(err, errCrowd):
				refused.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
	}
	redistest.Await(t, "the refused", func() bool { return refused.Load() == extra })
	if n := unanswered(p); n != maxUnanswered {
		t.Errorf("%d requests wait", n)
	}
	s.Resume()
	wg.Wait()
	if err := countOne(context.Background(), r); err != nil || r.link.current.Load() != p {
		t.Errorf("afterwards: %v", err)
	}
}

// TestRedisCrowdIsDropped: a probe that finds the crowd still waiting gives the
// connection up.
func TestRedisCrowdIsDropped(t *testing.T) {
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	p := r.link.current.Load()
	s.Suspend()
	gone, leave := context.WithCancel(context.Background())
	leave()
	for range maxUnanswered {
		_ = countOne(gone, r)
	}
	if err := r.Probe(context.Background()); !errors.Is(err, errCrowd) {
		t.Errorf("got %v", err)
	}
	s.Resume()
	if err := r.Probe(context.Background()); err != nil || r.link.current.Load() == p {
		t.Errorf("the next probe: %v", err)
	}
}

// TestRedisFullSocket: a server that hangs until the socket is full holds
// nobody up, also not who writes, and does not make commands pile up.
func TestRedisFullSocket(t *testing.T) {
	s := redistest.Start(t)
	const timeout = time.Second
	r := newRedis(t, "redis://"+s.Addr(), timeout)
	redistest.Await(t, "a connection", func() bool { return r.Probe(context.Background()) == nil })
	p := r.link.current.Load()
	s.Suspend()
	takes := make([]Take, 1024) // 120 KB
	for i := range takes {
		takes[i] = one(i, 5, time.Hour)
	}
	var wg sync.WaitGroup
	var refused atomic.Int32
	began := time.Now()
	for range 500 {
		wg.Go(func() {
			_, err := r.Count(context.Background(), OpTake, time.Now(), takes, make([]State, len(takes)))
			if err == nil {
				t.Error("counted")
			}
			if errors.Is(err, errCrowd) {
				refused.Add(1)
			}
		})
	}
	wg.Wait()
	if d := time.Since(began); d > timeout+patience {
		t.Errorf("waited %v", d)
	}
	p.mu.Lock()
	unwritten := max(cap(p.unwritten), cap(p.spare))
	p.mu.Unlock()
	if refused.Load() == 0 || unwritten > 2*maxUnwritten {
		t.Errorf("%d refused, %d bytes", refused.Load(), unwritten)
	}
	s.Resume()
	redistest.Await(t, "the server", func() bool { return r.Probe(context.Background()) == nil })
}

// TestRedisCloseWhileHanging: Close waits neither for requests nor for dialling.
func TestRedisCloseWhileHanging(t *testing.T) {
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr(), Timeout: time.Hour})
	s.Suspend()
	defer s.Resume()
	p := r.link.current.Load()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := countOne(context.Background(), r); !errors.Is(err, errClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	redistest.Await(t, "the requests", func() bool { return unanswered(p) == 10 })
	dialler := newRedis(t, "redis://"+s.Addr(), time.Hour)
	wg.Go(func() {
		if err := dialler.Probe(context.Background()); err == nil {
			t.Error("connected")
		}
	})
	redistest.Await(t, "dialling", func() bool {
		dialler.link.mu.Lock()
		defer dialler.link.mu.Unlock()
		return dialler.link.dialing != nil
	})
	r.Close()
	dialler.Close()
	wg.Wait()
	if err := countOne(context.Background(), r); err == nil {
		t.Error("counted after Close")
	}
}
