package redis

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// TestAnswersMatch: of many requests at a time on one connection, some of which
// leave early, each gets its own answer.
func TestAnswersMatch(t *testing.T) {
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr()})
	before := clients(s)
	var wg sync.WaitGroup
	for i := range 100 {
		adding := add(strconv.Itoa(i), strconv.Itoa(i))
		wg.Go(func() {
			gone, leave := context.WithCancel(context.Background())
			leave()
			for n := 1; n <= 100; n++ {
				if _, err := run(gone, c, adding); err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
				got, err := run(context.Background(), c, adding)
				if want := int64(2 * n * i); err != nil || got != want {
					t.Errorf("number %d: %d, %v, want %d", i, got, err, want)
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
		p := &pipe{conn: &serverConn{conn, conn, bufio.NewReader(&answers), ""}, writing: true} // so that nothing is written
		all := make([]*Call, n)
		for i := range all {
			all[i] = NewCall()
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
			if <-c.answered; c.Reply.err == nil && c.Reply.Numbers[0] != int64(i) {
				t.Fatalf("request %d got the answer of %d", i, c.Reply.Numbers[0])
			}
		}
	}
}

// TestLateAnswer: requests that leave before their answers come get an error that
// says so, and the connection stays.
func TestLateAnswer(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr()})
	before := clients(s)
	s.Suspend()
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		if err := addOne(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		cancel()
	}
	s.Resume()
	if n, err := run(context.Background(), c, add("one", "1")); n != 4 || err != nil {
		t.Errorf("got %d, %v", n, err)
	}
	if after := clients(s); after != before {
		t.Errorf("connections %q, before %q", after, before)
	}
}

// TestClientLeaves: a request whose client hangs up does not wait.
func TestClientLeaves(t *testing.T) {
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr(), WriteTimeout: time.Hour})
	s.Suspend()
	defer s.Resume()
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error)
	go func() { result <- addOne(ctx, c) }()
	p := c.current.Load()
	await.That(t, "the request", func() bool { return unanswered(p) == 1 })
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

// TestCrowd: while the server hangs, only so many requests wait, the others
// are refused at once, and when it goes on so does the connection.
func TestCrowd(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr(), WriteTimeout: time.Hour})
	p := c.current.Load()
	s.Suspend()
	const extra = 500
	var wg sync.WaitGroup
	var refused atomic.Int32
	for range maxUnanswered + extra {
		wg.Go(func() {
			switch err := addOne(context.Background(), c); {
			case errors.Is(err, errCrowd):
				refused.Add(1)
			case err != nil:
				t.Error(err)
			}
		})
	}
	await.That(t, "the refused", func() bool { return refused.Load() == extra })
	if n := unanswered(p); n != maxUnanswered {
		t.Errorf("%d requests wait", n)
	}
	s.Resume()
	wg.Wait()
	if err := addOne(context.Background(), c); err != nil || c.current.Load() != p {
		t.Errorf("afterwards: %v", err)
	}
}

// TestCrowdIsDropped: a connection on which a crowd waits can be given up.
func TestCrowdIsDropped(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr()})
	p := c.current.Load()
	s.Suspend()
	gone, leave := context.WithCancel(context.Background())
	leave()
	for range maxUnanswered {
		_ = addOne(gone, c)
	}
	drop, err := c.Connect(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := addOne(context.Background(), c); !errors.Is(err, errCrowd) {
		t.Errorf("got %v", err)
	}
	drop(errCrowd)
	if err := addOne(context.Background(), c); !errors.Is(err, errNotConnected) || !strings.Contains(err.Error(), errCrowd.Error()) {
		t.Errorf("after that: %v", err)
	}
	s.Resume()
	if _, err := c.Connect(context.Background()); err != nil || c.current.Load() == p {
		t.Errorf("connecting: %v", err)
	}
}

// TestFullSocket: a server that hangs until the socket is full holds
// nobody up, also not who writes, and does not make commands pile up.
func TestFullSocket(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	const timeout = time.Second
	c := connect(t, Options{URL: "redis://" + s.Addr(), WriteTimeout: timeout})
	p := c.current.Load()
	s.Suspend()
	long := add("one", strings.Repeat("1", 120<<10))
	var wg sync.WaitGroup
	var refused atomic.Int32
	began := time.Now()
	for range 500 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), timeout)
			defer cancel()
			_, err := run(ctx, c, long)
			if err == nil {
				t.Error("added")
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
	await.That(t, "the server", func() bool {
		_, err := c.Connect(context.Background())
		return err == nil && addOne(context.Background(), c) == nil
	})
}

// TestCloseWhileHanging: Close does not wait for requests or for dialling.
func TestCloseWhileHanging(t *testing.T) {
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr(), WriteTimeout: time.Hour})
	s.Suspend()
	defer s.Resume()
	p := c.current.Load()
	var wg sync.WaitGroup
	for range 10 {
		wg.Go(func() {
			if err := addOne(context.Background(), c); !errors.Is(err, errClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	await.That(t, "the requests", func() bool { return unanswered(p) == 10 })
	dialler := newClient(t, Options{URL: "redis://" + s.Addr(), DialTimeout: time.Hour})
	wg.Go(func() {
		if _, err := dialler.Connect(context.Background()); err == nil {
			t.Error("connected")
		}
	})
	await.That(t, "dialling", func() bool {
		dialler.mu.Lock()
		defer dialler.mu.Unlock()
		return dialler.dialing != nil
	})
	c.Close()
	dialler.Close()
	wg.Wait()
	if err := addOne(context.Background(), c); err == nil {
		t.Error("added after Close")
	}
}
