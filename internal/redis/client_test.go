package redis

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// addMany makes several requests at a time, none of which may fail.
func addMany(t *testing.T, c *Client) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if _, err := run(context.Background(), c, add(strconv.Itoa(i), "1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestIdleConnectionCloses: an idle connection that the server closes is
// replaced before a request needs it, again and again.
func TestIdleConnectionCloses(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr()})
	for range 3 {
		before := clients(s)
		if got := s.Command("CLIENT KILL TYPE normal"); got != ":1" {
			t.Fatalf("killed %s", got)
		}
		await.That(t, "a connection", func() bool { after := clients(s); return after != "" && after != before })
		addMany(t, c)
		time.Sleep(minReplace)
	}
}

// TestSaysWhy: an error names the server and what is wrong with it, also that of a
// request that finds no connection.
func TestSaysWhy(t *testing.T) {
	s := redistest.Start(t)
	c := connect(t, Options{URL: "redis://" + s.Addr()})
	says := func(err error, what string) bool {
		return err != nil && strings.Contains(err.Error(), s.Addr()) && strings.Contains(err.Error(), what)
	}
	s.Kill()
	await.That(t, "the reason", func() bool {
		_, _ = c.Connect(context.Background())
		return says(addOne(context.Background(), c), "connection refused")
	})
	s.Restart()
	s.OK("CONFIG SET requirepass secret")
	if _, err := c.Connect(context.Background()); !says(err, "NOAUTH") {
		t.Errorf("connecting: %v", err)
	}
	if err := addOne(context.Background(), c); !says(err, "NOAUTH") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("request: %v", err)
	}
}

// TestDropsEveryConnection: a server that hangs up all the time is not dialled in
// a loop.
func TestDropsEveryConnection(t *testing.T) {
	var mu sync.Mutex
	dialled := 0
	c := newClient(t, Options{URL: "redis://" + redistest.Fake(t, func([]string) string {
		mu.Lock()
		defer mu.Unlock()
		dialled++
		return ":1\r\n:1\r\n" // nobody asked for the second, so the client hangs up
	})})
	_, _ = c.Connect(context.Background())
	await.That(t, "giving up", func() bool { return c.current.Load() == nil })
	if mu.Lock(); dialled > 3 {
		t.Errorf("dialled %d times", dialled)
	}
	mu.Unlock()
}

func TestAuthentication(t *testing.T) {
	s := redistest.Start(t, "--requirepass", "p@ss/word-1")
	connect(t, Options{URL: "redis://:p%40ss%2Fword-1@" + s.Addr()})
	connect(t, Options{URL: "redis://default:p%40ss%2Fword-1@" + s.Addr() + "/2"})
	if got := s.Command("AUTH p@ss/word-1", "SELECT 2", "DBSIZE"); got != ":1" {
		t.Errorf("%s numbers in database 2", got)
	}
	for _, user := range []string{"", ":wrong-password@", "wrong-user:wrong-password@"} {
		_, err := newClient(t, Options{URL: "redis://" + user + s.Addr()}).Connect(context.Background())
		if err == nil || strings.Contains(err.Error(), "wrong-password") {
			t.Errorf("%q: got error %v", user, err)
		}
	}
}

// TestClusterMoves: when the slot moves to another node, so do requests.
func TestClusterMoves(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	c := connect(t, Options{URL: "redis+cluster://" + nodes[0].Addr(), WriteTimeout: time.Second})
	owner := ownerOf(t, nodes, c)
	for i, endpoint := range []string{"ip", "unknown-endpoint"} { // which leaves the host empty
		for _, n := range nodes {
			n.OK("CONFIG SET cluster-preferred-endpoint-type " + endpoint)
		}
		next := nodes[i]
		if next == owner {
			next = nodes[2]
		}
		owner.OK("FLUSHALL") // a node does not give up a slot with keys
		slot := strings.TrimPrefix(owner.Command("CLUSTER KEYSLOT {test}"), ":")
		for _, n := range []*redistest.Server{next, owner} {
			n.OK("CLUSTER SETSLOT " + slot + " NODE " + next.Command("CLUSTER MYID"))
		}
		addMany(t, c)
		if got := ownerOf(t, nodes, c); got != next {
			t.Errorf("numbers are on %s, want %s", got.Addr(), next.Addr())
		}
		await.That(t, "one connection", func() bool { ids := clients(next); return ids != "" && !strings.Contains(ids, " ") })
		owner = next
	}
}

// ownerOf adds and returns the node on which this left something.
func ownerOf(t *testing.T, nodes []*redistest.Server, c *Client) *redistest.Server {
	t.Helper()
	addMany(t, c)
	for _, n := range nodes {
		if n.Command("DBSIZE") != ":0" {
			return n
		}
	}
	t.Fatal("numbers are nowhere")
	return nil
}

// TestMalformedAnswers: a server that is not Redis, whether from the start or
// later, is an error, and the client goes on.
func TestMalformedAnswers(t *testing.T) {
	answers := map[string]string{"hang up": "", "more than asked": ":1\r\n:1\r\n?\r\n"}
	maps.Copy(answers, malformed)
	for name, answer := range answers {
		for _, from := range []string{"the start", "later"} {
			t.Run(name+" from "+from, func(t *testing.T) {
				c := newClient(t, Options{URL: "redis://" + redistest.Fake(t, func(words []string) string {
					if from == "the start" || words[1] != "{test}probe" {
						return answer
					}
					return ":1\r\n"
				})})
				_, err := c.Connect(context.Background())
				if ok := from == "later" || name == "more than asked"; (err == nil) != ok {
					t.Errorf("connecting: %v", err)
				}
				await.That(t, "an error", func() bool { return addOne(context.Background(), c) != nil })
			})
		}
	}
}

// TestPasswordIsNotQuoted: servers may quote commands that they refuse.
func TestPasswordIsNotQuoted(t *testing.T) {
	for _, refusal := range []string{"-ERR unknown command 'AUTH', with args beginning with: ", "-DENIED: "} {
		address := redistest.Fake(t, func(words []string) string {
			return refusal + strings.Join(words[1:], " ") + "\r\n"
		})
		for _, url := range []string{
			"redis://user:SECRET@" + address,
			"redis+cluster://:SECRET@" + address,
			"redis+sentinel://" + address + "/service?sentinel_password=SECRET",
		} {
			_, err := newClient(t, Options{URL: url}).Connect(context.Background())
			if err == nil || !strings.Contains(err.Error(), "authenticating") || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}

// TestMovesInCircles: nodes that send on to each other are not followed for ever.
func TestMovesInCircles(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	var address string
	address = redistest.Fake(t, func([]string) string {
		mu.Lock()
		defer mu.Unlock()
		asked++
		_, port, _ := net.SplitHostPort(address)
		return "-MOVED 1 :" + port + "\r\n"
	})
	if _, err := newClient(t, Options{URL: "redis+cluster://" + address}).Connect(context.Background()); err == nil || !strings.Contains(err.Error(), "MOVED") {
		t.Errorf("got %v", err)
	}
	if asked != 1+maxMoves {
		t.Errorf("asked %d times", asked)
	}
}

// TestMovesInTheMiddle: what one node still works on when another has already
// taken over is answered.
func TestMovesInTheMiddle(t *testing.T) {
	taken := make(chan struct{})
	next := redistest.Fake(t, func(words []string) string {
		if words[1] != "{test}probe" {
			close(taken) // once
		}
		return ":1\r\n"
	})
	asked := 0
	first := make(chan struct{})
	c := connect(t, Options{URL: "redis+cluster://" + redistest.Fake(t, func(words []string) string {
		if words[1] == "{test}probe" {
			return ":1\r\n"
		}
		if asked++; asked == 1 {
			<-first
			return "-MOVED 1 " + next + "\r\n"
		}
		<-taken
		return ":1\r\n"
	})})
	p := c.current.Load()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := addOne(context.Background(), c); err != nil {
				t.Error(err)
			}
		})
	}
	await.That(t, "both requests", func() bool { return unanswered(p) == 2 })
	close(first)
	wg.Wait()
}

func TestNotExecuted(t *testing.T) {
	for _, tc := range []struct {
		err  error
		hint string
		yes  bool
	}{
		{nil, "", false},
		{errGone, "", true},
		{io.EOF, "", false},
		{ServerError("MOVED 3999 10.0.0.1:7000"), "10.0.0.1:7000", true},
		{ServerError("MOVED 3999 node-1.example:7000"), "node-1.example:7000", true},
		{ServerError("MOVED 3999 2001:db8::1:7000"), "[2001:db8::1]:7000", true},
		{ServerError("MOVED 3999 :7000"), "[::1]:7000", true},
		{ServerError("MOVED 3999"), "", false},
		{ServerError("MOVED 3999 nowhere"), "", false},
		{ServerError("READONLY You can't write against a read only replica. script: 1, on @user_script:28."), "", true},
		{ServerError("ERR Error running script (call to f_1): @user_script:28: @user_script: 28: -READONLY You can't write against a read only replica."), "", true},
		{ServerError("ASK 3999 10.0.0.1:7000"), "", false},
		{ServerError("OOM command not allowed when used memory > 'maxmemory'."), "", false},
	} {
		if hint, yes := notExecuted(tc.err, "[::1]:6379"); hint != tc.hint || yes != tc.yes {
			t.Errorf("%v: %q, %v", tc.err, hint, yes)
		}
	}
}
