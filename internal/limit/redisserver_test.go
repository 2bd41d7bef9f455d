package limit

import (
	"context"
	"errors"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

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

// TestRedisUnexpectedAnswers: answers that no script of ours gives are an error,
// whether from the start or later, and the gate goes on.
func TestRedisUnexpectedAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"hang up": "", "wrong type": "+OK\r\n", "too few": "*2\r\n:1\r\n:2\r\n",
		"too many": "*6\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n", "not Redis": "HTTP/1.1 400 Bad Request\r\n\r\n",
	} {
		for _, from := range []string{"EVAL", "EVALSHA"} {
			t.Run(name+" from "+from, func(t *testing.T) {
				r := newRedis(t, "redis://"+redistest.Fake(t, func(words []string) string {
					if from == "EVAL" || words[0] == from {
						return answer
					}
					return good
				}), patience)
				if err := r.Probe(context.Background()); err == nil {
					t.Error("no error")
				}
				await.That(t, "an error", func() bool { return countOne(context.Background(), r) != nil })
			})
		}
	}
}

// TestRedisSilence: a server that says nothing costs the time limit of
// connecting, and a connection that has gone silent is replaced by a probe.
func TestRedisSilence(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	var mu sync.Mutex
	conns := 0
	r := newRedis(t, "redis://"+redistest.Fake(t, func(words []string) string {
		mu.Lock()
		defer mu.Unlock()
		if words[0] == "EVAL" {
			conns++
		} else if words[0] == "EVALSHA" && conns == 1 {
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
	t.Parallel()
	silent := make(chan struct{})
	r := newRedis(t, "redis://"+redistest.Fake(t, func([]string) string { <-silent; return "" }), time.Millisecond)
	defer close(silent)
	if err := r.Probe(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

// TestRedisCrowdIsDropped: a probe that finds that nothing gets through gives the
// connection up.
func TestRedisCrowdIsDropped(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	s.Suspend()
	gone, leave := context.WithCancel(context.Background())
	leave()
	for crowd := false; !crowd; {
		crowd = !errors.Is(countOne(gone, r), context.Canceled)
	}
	if err := r.Probe(context.Background()); err == nil || !strings.Contains(err.Error(), "too many requests wait") {
		t.Errorf("got %v", err)
	}
	if err := countOne(context.Background(), r); err == nil || !strings.Contains(err.Error(), "not connected") {
		t.Errorf("got %v", err)
	}
	s.Resume()
	if err := r.Probe(context.Background()); err != nil {
		t.Errorf("the next probe: %v", err)
	}
}

// TestRedisScriptForgotten: a server that never knows the script by its name
// gets its text each time.
func TestRedisScriptForgotten(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var commands []string
	r := newRedis(t, "redis://"+redistest.Fake(t, func(words []string) string {
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
	if want := []string{"CLIENT", "EVAL", "EVALSHA", "EVAL", "EVALSHA", "EVAL"}; !slices.Equal(commands, want) {
		t.Errorf("%q, want %q", commands, want)
	}
}

// undisturbed requires that a gate has never been without Redis.
func (g *gate) undisturbed(t *testing.T) {
	t.Helper()
	if h := g.Health(); h != (Health{Up: true}) || g.logs.Len() > 0 {
		t.Errorf("%+v, logs %v", h, g.logs.All())
	}
}

// countMany makes several requests at a time.
func (g *gate) countMany(t *testing.T) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			if _, err := g.Count(context.Background(), OpTake, time.Now(), []Take{one(i, 1<<50, 1000*time.Hour)}, make([]State, 1)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

// TestRedisSentinelDemotes: requests follow when the master becomes a replica
// without hanging up. The user may do no more than counting takes. Of the
// sentinels, which want a password, the first is down, the second does not know
// the service, and the third does not know of the new master.
func TestRedisSentinelDemotes(t *testing.T) {
	t.Parallel()
	user := strings.Fields("--user gate on >gate-pass ~ingest_auth:* +eval +evalsha +time +hmget +hset +hincrby +pexpireat")
	master, other := redistest.Start(t, user...), redistest.Start(t, user...)
	down := freeport.Addr(t)
	ignorant, stale, sentinel := redistest.StartBareSentinel(t), redistest.StartBareSentinel(t), redistest.StartBareSentinel(t)
	stale.Watch(master, "")
	sentinel.Watch(master, "")
	for _, s := range []*redistest.Server{ignorant, stale, sentinel} {
		s.OK("ACL SETUSER default resetpass >sentinel-pass")
	}
	hosts := strings.Join([]string{down, ignorant.Addr(), stale.Addr(), sentinel.Addr()}, ",")
	g := startGate(t, "redis+sentinel://gate:gate-pass@"+hosts+"/service?sentinel_password=sentinel-pass", patience)
	g.countMany(t)
	if master.Command("DBSIZE") == ":0" {
		t.Error("the master has no counters")
	}

	sentinel.Watch(other, "sentinel-pass")
	host, port, _ := net.SplitHostPort(other.Addr())
	master.OK("REPLICAOF " + host + " " + port)
	g.countMany(t)
	if other.Command("DBSIZE") == ":0" {
		t.Error("the new master has no counters")
	}
	g.undisturbed(t)
}

// TestRedisSentinelKnowsBetter: a master that refuses to count, be it one that is cut off
// from its replicas or one that has lost its own master, is left for the one that the
// sentinel names by then.
func TestRedisSentinelKnowsBetter(t *testing.T) {
	t.Parallel()
	for _, command := range [][]string{
		{"CONFIG SET min-replicas-to-write 1"},
		{"CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 " + strconv.Itoa(freeport.Port(t))},
	} {
		master, other, sentinel := redistest.Start(t), redistest.Start(t), redistest.StartBareSentinel(t)
		sentinel.Watch(master, "")
		g := startGate(t, "redis+sentinel://"+sentinel.Addr()+"/service", patience)
		g.countMany(t)
		for _, c := range command {
			master.OK(c)
		}
		await.That(t, "the gate to notice", func() bool { g.countMany(t); return !g.Health().Up })
		sentinel.Watch(other, "")
		await.That(t, "the gate to come back", func() bool { return g.Health().Up })
		g.countMany(t)
		if other.Command("DBSIZE") == ":0" {
			t.Errorf("%s: the new master has no counters", command)
		}
	}
}
