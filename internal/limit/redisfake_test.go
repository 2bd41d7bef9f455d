package limit

import (
	"bufio"
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// fakeRedis is a server that answers each command, given as its words, as a
// test wants; with "" it hangs up. It returns its address.
func fakeRedis(t *testing.T, answer func(words []string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns.Go(func() { serveFake(conn, answer) })
		}
	})
	t.Cleanup(func() { l.Close(); conns.Wait() })
	return l.Addr().String()
}

func serveFake(conn net.Conn, answer func([]string) string) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 1<<16)
	for {
		words, err := readCommand(in)
		if err != nil {
			return
		}
		text := answer(words)
		if _, err := conn.Write([]byte(text)); err != nil || text == "" {
			return
		}
	}
}

// readCommand reads "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", for words without line
// breaks, but for that of a script.
func readCommand(in *bufio.Reader) ([]string, error) {
	var r reply
	line, err := in.Peek(1)
	if err != nil || line[0] != '*' {
		return nil, errors.Join(err, errProtocol)
	}
	err = readCommandWords(in, &r)
	return r.texts, err
}

func readCommandWords(in *bufio.Reader, r *reply) error {
	_, count, err := readLine(in)
	if err != nil {
		return err
	}
	n, err := parseCount(count, 1000)
	for range n {
		var size int
		if _, count, err = readLine(in); err != nil {
			return err
		}
		if size, err = parseCount(count, 1<<15); err != nil {
			return err
		}
		word := make([]byte, size+2)
		for i := range word {
			if word[i], err = in.ReadByte(); err != nil {
				return err
			}
		}
		r.texts = append(r.texts, string(word[:size]))
	}
	return err
}

// good is what the script answers for one counter.
const good = "*4\r\n:1\r\n:1000\r\n:2000\r\n:1\r\n"

func newRedis(t *testing.T, url string, timeout time.Duration) *Redis {
	t.Helper()
	r, err := NewRedis(RedisOptions{URL: url, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func countOne(ctx context.Context, r *Redis) error {
	_, err := r.Count(ctx, OpTake, time.Now(), []Take{one(1, 5, time.Hour)}, make([]State, 1))
	return err
}

// TestRedisMalformedAnswers: a server that is none of Redis, whether from the
// start or later, is an error, and the gate goes on.
func TestRedisMalformedAnswers(t *testing.T) {
	answers := map[string]string{
		"hang up": "", "wrong type": "+OK\r\n", "too few": "*2\r\n:1\r\n:2\r\n",
		"too many": "*6\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "more than asked": good + good + "?\r\n",
	}
	maps.Copy(answers, malformed)
	for name, answer := range answers {
		for _, from := range []string{"EVAL", "EVALSHA"} {
			t.Run(name+" from "+from, func(t *testing.T) {
				r := newRedis(t, "redis://"+fakeRedis(t, func(words []string) string {
					if from == "EVAL" || words[0] == from {
						return answer
					}
					return good
				}), patience)
				if err := r.Probe(context.Background()); err == nil && name != "more than asked" {
					t.Error("no error")
				}
				redistest.Await(t, "an error", func() bool { return countOne(context.Background(), r) != nil })
			})
		}
	}
}

// TestRedisSilence: a server that says nothing costs the time limit of
// connecting, and a connection that has gone silent is replaced by a probe.
func TestRedisSilence(t *testing.T) {
	silent := make(chan struct{})
	var mu sync.Mutex
	conns := 0
	r := newRedis(t, "redis://"+fakeRedis(t, func(words []string) string {
		mu.Lock()
		defer mu.Unlock()
		if words[0] == "EVAL" {
			conns++
		} else if conns == 1 {
			mu.Unlock()
			<-silent
			mu.Lock()
		}
		return good
	}), 100*time.Millisecond)
	defer close(silent)
	for i, ok := range []bool{false, true} {
		if err := r.Probe(context.Background()); (err == nil) != ok {
			t.Errorf("probe %d: %v", i, err)
		}
	}
	if conns != 2 {
		t.Errorf("%d connections", conns)
	}
}

func TestRedisSilentFromTheStart(t *testing.T) {
	silent := make(chan struct{})
	r := newRedis(t, "redis://"+fakeRedis(t, func([]string) string { <-silent; return "" }), time.Millisecond)
	defer close(silent)
	if err := r.Probe(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestRedisPasswordIsNotQuoted: servers may quote commands that they refuse.
func TestRedisPasswordIsNotQuoted(t *testing.T) {
	for _, refusal := range []string{"-ERR unknown command 'AUTH', with args beginning with: ", "-DENIED: "} {
		address := fakeRedis(t, func(words []string) string {
			return refusal + strings.Join(words[1:], " ") + "\r\n"
		})
		for _, url := range []string{
			"redis://user:SECRET@" + address,
			"redis+cluster://:SECRET@" + address,
			"redis+sentinel://" + address + "/service?sentinel_password=SECRET",
		} {
			err := newRedis(t, url, patience).Probe(context.Background())
			if err == nil || !strings.Contains(err.Error(), "authenticating") || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("%s: %v", url, err)
			}
		}
	}
}

// TestRedisMovesInCircles: nodes that send on to each other are not followed for
// ever.
func TestRedisMovesInCircles(t *testing.T) {
	var mu sync.Mutex
	asked := 0
	var address string
	address = fakeRedis(t, func([]string) string {
		mu.Lock()
		defer mu.Unlock()
		asked++
		_, port, _ := net.SplitHostPort(address)
		return "-MOVED 1 :" + port + "\r\n"
	})
	if err := newRedis(t, "redis+cluster://"+address, patience).Probe(context.Background()); err == nil || !strings.Contains(err.Error(), "MOVED") {
		t.Errorf("got %v", err)
	}
	if asked != 1+maxMoves {
		t.Errorf("asked %d times", asked)
	}
}

// TestRedisMovesInTheMiddle: what one node still works on when another has
// already taken over is answered.
func TestRedisMovesInTheMiddle(t *testing.T) {
	taken := make(chan struct{})
	next := fakeRedis(t, func(words []string) string {
		if words[0] == "EVAL" {
			return good
		}
		close(taken) // once
		return good
	})
	asked := 0
	first := make(chan struct{})
	r := newRedis(t, "redis+cluster://"+fakeRedis(t, func(words []string) string {
		if asked++; asked <= 3 { // the probe's
			return good
		}
		if asked == 4 {
			<-first
			return "-MOVED 1 " + next + "\r\n"
		}
		<-taken
		return good
	}), patience)
	if err := r.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	p := r.link.current.Load()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			if err := countOne(context.Background(), r); err != nil {
				t.Error(err)
			}
		})
	}
	redistest.Await(t, "both requests", func() bool { return unanswered(p) == 2 })
	close(first)
	wg.Wait()
}

// TestRedisScriptForgotten: a server that never knows the script by its name
// gets its text each time.
func TestRedisScriptForgotten(t *testing.T) {
	var mu sync.Mutex
	var commands []string
	r := newRedis(t, "redis://"+fakeRedis(t, func(words []string) string {
		mu.Lock()
		defer mu.Unlock()
		commands = append(commands, words[0])
		if words[0] == "EVALSHA" {
			return "-NOSCRIPT No matching script.\r\n"
		}
		return good
	}), patience)
	if err := r.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	if want := []string{"EVAL", "EVALSHA", "EVAL", "EVALSHA", "EVAL"}; !slices.Equal(commands, want) {
		t.Errorf("%q, want %q", commands, want)
	}
}
