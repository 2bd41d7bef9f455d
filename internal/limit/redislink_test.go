package limit

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

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

func wantOK(t *testing.T, s *redistest.Server, command string) {
	t.Helper()
	if got := s.Command(command); got != "+OK" {
		t.Fatalf("%s: %s", command, got)
	}
}

// TestRedisIdleConnectionCloses: an idle connection that the server closes is
// replaced before a request needs it, again and again.
func TestRedisIdleConnectionCloses(t *testing.T) {
	s := redistest.Start(t)
	g := startGate(t, "redis://"+s.Addr(), patience)
	for range 3 {
		before := clients(s)
		if got := s.Command("CLIENT KILL TYPE normal"); got != ":1" {
			t.Fatalf("killed %s", got)
		}
		redistest.Await(t, "a connection", func() bool { after := clients(s); return after != "" && after != before })
		g.countMany(t)
		time.Sleep(minReplace)
	}
	g.undisturbed(t)
}

// TestRedisSaysWhy: an error names the server and what is wrong with it, also that of a
// request that finds no connection.
func TestRedisSaysWhy(t *testing.T) {
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	says := func(err error, what string) bool {
		return err != nil && strings.Contains(err.Error(), s.Addr()) && strings.Contains(err.Error(), what)
	}
	s.Kill()
	redistest.Await(t, "the reason", func() bool {
		_ = r.Probe(context.Background())
		return says(countOne(context.Background(), r), "connection refused")
	})
	s.Restart()
	wantOK(t, s, "CONFIG SET requirepass secret")
	if err := r.Probe(context.Background()); !says(err, "NOAUTH") {
		t.Errorf("probe: %v", err)
	}
	if err := countOne(context.Background(), r); !says(err, "NOAUTH") || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("request: %v", err)
	}
}

// TestRedisDropsEveryConnection: a server that hangs up all the time is not
// dialled in a loop.
func TestRedisDropsEveryConnection(t *testing.T) {
	var mu sync.Mutex
	dialled := 0
	r := newRedis(t, "redis://"+fakeRedis(t, func(words []string) string {
		mu.Lock()
		defer mu.Unlock()
		if words[0] == "EVAL" {
			dialled++
			return good + good // nobody asked for the second, so the gate hangs up
		}
		return good
	}), patience)
	_ = r.Probe(context.Background())
	redistest.Await(t, "giving up", func() bool { return r.link.current.Load() == nil })
	if mu.Lock(); dialled > 3 {
		t.Errorf("dialled %d times", dialled)
	}
	mu.Unlock()
}

// TestRedisClusterMoves: when the slot moves to another node, so do requests.
func TestRedisClusterMoves(t *testing.T) {
	nodes := redistest.StartCluster(t)
	g := startGate(t, "redis+cluster://"+nodes[0].Addr(), patience)
	owner := ownerOf(t, nodes, g)
	for i, endpoint := range []string{"ip", "unknown-endpoint"} { // which leaves the host empty
		for _, n := range nodes {
			wantOK(t, n, "CONFIG SET cluster-preferred-endpoint-type "+endpoint)
		}
		next := nodes[i]
		if next == owner {
			next = nodes[2]
		}
		wantOK(t, owner, "FLUSHALL") // a node does not give up a slot with keys
		slot := strings.TrimPrefix(owner.Command("CLUSTER KEYSLOT {limits}"), ":")
		for _, n := range []*redistest.Server{next, owner} {
			wantOK(t, n, "CLUSTER SETSLOT "+slot+" NODE "+next.Command("CLUSTER MYID"))
		}
		g.countMany(t)
		if got := ownerOf(t, nodes, g); got != next {
			t.Errorf("counters are on %s, want %s", got.Addr(), next.Addr())
		}
		if ids := clients(next); ids == "" || strings.Contains(ids, " ") {
			t.Errorf("connections %q", ids)
		}
		owner = next
	}
	g.undisturbed(t)
}

// ownerOf counts and returns the node on which this left something.
func ownerOf(t *testing.T, nodes []*redistest.Server, g *gate) *redistest.Server {
	t.Helper()
	g.countMany(t)
	for _, n := range nodes {
		if n.Command("DBSIZE") != ":0" {
			return n
		}
	}
	t.Fatal("counters are nowhere")
	return nil
}

// TestRedisSentinelDemotes: requests follow when the master becomes a replica
// without hanging up. The user may do no more than counting takes. Of the
// sentinels, which want a password, the first is down, the second does not know
// the service, and the third does not know of the new master.
func TestRedisSentinelDemotes(t *testing.T) {
	user := strings.Fields("--user gate on >gate-pass ~ingest_auth:* +eval +evalsha +time +hmget +hset +hincrby +pexpireat")
	master, other := redistest.Start(t, user...), redistest.Start(t, user...)
	down := "127.0.0.1:" + strconv.Itoa(redistest.FreePort(t))
	ignorant, stale, sentinel := startSentinel(t), startSentinel(t), startSentinel(t)
	watch(t, stale, master)
	watch(t, sentinel, master)
	for _, s := range []*redistest.Server{ignorant, stale, sentinel} {
		wantOK(t, s, "ACL SETUSER default resetpass >sentinel-pass")
	}
	hosts := strings.Join([]string{down, ignorant.Addr(), stale.Addr(), sentinel.Addr()}, ",")
	g := startGate(t, "redis+sentinel://gate:gate-pass@"+hosts+"/service?sentinel_password=sentinel-pass", patience)
	g.countMany(t)
	if master.Command("DBSIZE") == ":0" {
		t.Error("the master has no counters")
	}

	watch(t, sentinel, other)
	host, port, _ := net.SplitHostPort(other.Addr())
	wantOK(t, master, "REPLICAOF "+host+" "+port)
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
	for _, command := range [][]string{
		{"CONFIG SET min-replicas-to-write 1"},
		{"CONFIG SET replica-serve-stale-data no", "REPLICAOF 127.0.0.1 " + strconv.Itoa(redistest.FreePort(t))},
	} {
		master, other, sentinel := redistest.Start(t), redistest.Start(t), startSentinel(t)
		watch(t, sentinel, master)
		g := startGate(t, "redis+sentinel://"+sentinel.Addr()+"/service", patience)
		g.countMany(t)
		for _, c := range command {
			wantOK(t, master, c)
		}
		redistest.Await(t, "the gate to notice", func() bool { g.countMany(t); return !g.Health().Up })
		watch(t, sentinel, other)
		redistest.Await(t, "the gate to come back", func() bool { return g.Health().Up })
		g.countMany(t)
		if other.Command("DBSIZE") == ":0" {
			t.Errorf("%s: the new master has no counters", command)
		}
	}
}

// startSentinel starts a sentinel that watches nothing.
func startSentinel(t *testing.T) *redistest.Server {
	t.Helper()
	config := filepath.Join(t.TempDir(), "sentinel.conf")
	if err := os.WriteFile(config, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return redistest.Start(t, config, "--sentinel")
}

// watch makes the sentinel know the master, and no other, as "service".
func watch(t *testing.T, sentinel, master *redistest.Server) {
	t.Helper()
	conn, err := dialRedis(context.Background(), sentinel.Addr(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = conn.do(command("AUTH", "sentinel-pass"))
	_, _ = conn.do(command("SENTINEL", "REMOVE", "service"))
	host, port, _ := net.SplitHostPort(master.Addr())
	if _, err := conn.do(command("SENTINEL", "MONITOR", "service", host, port, "1")); err != nil {
		t.Fatal(err)
	}
}
