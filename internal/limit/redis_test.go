package limit

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// patience replaces the timeout where a test is not about timeouts: the machine
// may be busy.
const patience = 10 * time.Second

func connectRedis(t testing.TB, o RedisOptions) *Redis {
	t.Helper()
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	r, err := NewRedis(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	if err := r.Probe(context.Background()); err != nil {
		t.Fatal(err)
	}
	return r
}

func redisCount(t *testing.T, r *Redis, op Op, takes ...Take) (bool, []State) {
	t.Helper()
	states := make([]State, len(takes))
	// The caller's clock must not matter.
	fits, err := r.Count(context.Background(), op, time.Unix(12345, 0), takes, states)
	if err != nil {
		t.Fatal(err)
	}
	return fits, states
}

// TestRedisHistory compares Redis with the model of Count on random histories.
// The clock is the server's, so the windows are long enough for none to end.
func TestRedisHistory(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	model, random := map[modelKey]int64{}, mathrand.New(mathrand.NewPCG(1, 0))
	windows := []time.Duration{1000 * time.Hour, 10_000 * time.Hour, 100_000 * time.Hour}
	for range 2000 {
		op := Op(random.IntN(3))
		takes := make([]Take, 1+random.IntN(4))
		for i := range takes {
			n := 4*random.IntN(100) + i
			takes[i] = Take{Key: key(n), Rate: Rate{1 + random.Int64N(20), windows[n%3]}, Cost: random.Int64N(4)}
		}
		got, states := redisCount(t, r, op, takes...)
		now := states[0].Reset.Add(-states[0].Wait) // the server's
		want, wantStates := modelCount(model, op, now.UnixMilli(), takes)
		if diff := cmp.Diff(wantStates, states); diff != "" || got != want {
			t.Fatalf("op %d of %+v: fits %v, want %v, states (-want +got):\n%s", op, takes, got, want, diff)
		}
		if d := time.Since(now).Abs(); d > patience {
			t.Fatalf("the server's time is off by %v", d)
		}
	}
}

// TestRedisErrorOfOneCounter: whatever else somebody has put where a counter should be, it is an
// error of that counter. Nothing of the request is counted, and other requests are.
func TestRedisErrorOfOneCounter(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	name := func(n int) string {
		return string(appendCounterName(nil, &Take{Key: key(n), Rate: Rate{10, time.Hour}}))
	}
	damaged := []string{
		"SET %s text", "RPUSH %s 1", "SADD %s 1", "ZADD %s 1 1",
		"HSET %s end text used 1", "HSET %s end 99999999999999 used text", "HSET %s end 99999999999999 used 1.5",
		"HSET %s end 99999999999999 used 1e3", "HSET %s end 99999999999999 used -1", "HSET %s end 99999999999999 used 99999999999999999999",
		"HSET %s end nan used 1", "HSET %s end 0x10 used 0x10",
	}
	for i, command := range damaged {
		if answer := s.Command(fmt.Sprintf(command, name(100+i))); strings.HasPrefix(answer, "-") {
			t.Fatal(answer)
		}
	}
	core, logs := observer.New(zapcore.DebugLevel)
	shared := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	r := NewResilient(shared, nil, OnErrorAllow, zap.New(core))
	states := make([]State, 3)
	for i, command := range damaged {
		takes := []Take{one(1, 1000, time.Hour), one(100+i, 10, time.Hour), one(2, 1000, time.Hour)}
		for _, op := range []Op{OpTake, OpPeek, OpAdd} {
			_, err := shared.Count(t.Context(), op, time.Now(), takes, states)
			if !errors.Is(err, errNoCounter) || !strings.Contains(err.Error(), name(100+i)) {
				t.Errorf("%s: op %d: %v", command, op, err)
			}
		}
		if fits, err := r.Count(t.Context(), OpTake, time.Now(), takes, states); !fits || err != nil || states[0].Limit != 0 {
			t.Errorf("%s: %t, %v, %+v", command, fits, err, states)
		}
	}
	_, after := redisCount(t, shared, OpPeek, one(1, 1000, time.Hour), one(2, 1000, time.Hour))
	if after[0].Remaining != 1000 || after[1].Remaining != 1000 {
		t.Errorf("counters beside a damaged one: %+v", after)
	}
	if fits, err := r.Count(t.Context(), OpTake, time.Now(), []Take{one(1, 1000, time.Hour)}, states[:1]); !fits || err != nil || states[0].Remaining != 999 {
		t.Errorf("another request: %t, %v, %+v", fits, err, states[0])
	}
	if h := r.Health(); !h.Up || h.Outages != 0 || h.Degraded != uint64(len(damaged)) || logs.Len() != 1 {
		t.Errorf("%+v, %d lines logged", h, logs.Len())
	}
	// Nor does the counter of probes matter.
	s.Command("DEL " + string(appendCounterName(nil, &probeTake[0])))
	s.Command("SET " + string(appendCounterName(nil, &probeTake[0])) + " text")
	another := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	redisCount(t, another, OpTake, one(1, 1000, time.Hour))
}

// TestRedisLargeNumbers: counting stays exact up to 2^53.
func TestRedisLargeNumbers(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	const most = 1 << 53
	take := Take{Key: key(1), Rate: Rate{most, 1000 * time.Hour}, Cost: most - 3}
	for _, step := range []struct {
		cost      int64
		fits      bool
		remaining int64
	}{{most - 3, true, 3}, {4, false, 3}, {2, true, 1}, {2, false, 1}, {1, true, 0}, {1, false, 0}} {
		take.Cost = step.cost
		fits, states := redisCount(t, r, OpTake, take)
		if fits != step.fits || states[0].Remaining != step.remaining {
			t.Errorf("%+v: fits %v, %+v", step, fits, states)
		}
	}
}

// TestRedisKeys: names carry prefix, tag and nothing else; keys expire.
func TestRedisKeys(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr() + "/2"})
	take := Take{Key: KeyOf("limit", "key_1"), Rate: Rate{5, time.Minute}, Cost: 1}
	_, states := redisCount(t, r, OpTake, take)
	redisCount(t, r, OpPeek, one(7, 5, time.Minute)) // leaves nothing behind
	name := fmt.Sprintf("ingest_auth:{limits}:%x:60000", take.Key)
	if got, want := s.Command("EVAL \"redis.call('SELECT', 2) return #redis.call('KEYS', '*')\" 0"), ":2"; got != want { // and the probe's
		t.Errorf("%s keys, want %s", got, want)
	}
	got := s.Command("EVAL \"redis.call('SELECT', 2) return redis.call('PEXPIRETIME', '" + name + "')\" 0")
	if want := ":" + strconv.FormatInt(states[0].Reset.UnixMilli()+1000, 10); got != want {
		t.Errorf("expires at %s, want %s", got, want)
	}
}

// TestRedisWindowsPass: a counter starts afresh in the next window, although
// its key is still there.
func TestRedisWindowsPass(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	take := one(1, 3, 100*time.Millisecond)
	passed := map[int64]int{}
	for len(passed) < 5 {
		fits, states := redisCount(t, r, OpTake, take)
		end := states[0].Reset.UnixMilli()
		if fits {
			passed[end]++
		}
		if passed[end] > 3 || end%100 != 0 || states[0].Wait <= 0 || states[0].Wait > 100*time.Millisecond {
			t.Fatalf("%d passed, %+v", passed[end], states[0])
		}
	}
}

// TestRedisClockBehind: after a fail-over to a server whose clock is behind, a
// counter of the window that has not begun yet counts on; one further ahead is
// wrong.
func TestRedisClockBehind(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	const window = 1000 * time.Hour
	_, states := redisCount(t, r, OpPeek, one(1, 10, window))
	end := states[0].Reset
	for n, tc := range []struct {
		ahead     time.Duration
		remaining int64
	}{{0, 3}, {window, 3}, {2 * window, 10}, {-window, 10}} {
		take := one(n, 10, window)
		s.Command(fmt.Sprintf("HSET %s end %d used 7", appendCounterName(nil, &take), end.Add(tc.ahead).UnixMilli()))
		if _, states := redisCount(t, r, OpPeek, one(n, 10, window)); states[0].Remaining != tc.remaining {
			t.Errorf("%v ahead: %+v", tc.ahead, states[0])
		}
	}
}

func TestRedisScriptFlushed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	for want := int64(4); want >= 2; want-- {
		if got := s.Command("SCRIPT FLUSH"); got != "+OK" {
			t.Fatal(got)
		}
		if _, states := redisCount(t, r, OpTake, one(1, 5, 1000*time.Hour)); states[0].Remaining != want {
			t.Errorf("remaining %d, want %d", states[0].Remaining, want)
		}
	}
}

// TestRedisTimeout: a server that hangs costs a request the timeout, no more,
// also when the connection is new.
func TestRedisTimeout(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr(), Timeout: 500 * time.Millisecond})
	s.Suspend()
	defer s.Resume()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 2 {
				began := time.Now()
				_, err := r.Count(context.Background(), OpTake, began, []Take{one(1, 5, time.Hour)}, make([]State, 1))
				if d := time.Since(began); err == nil || d > 1500*time.Millisecond {
					t.Errorf("error %v after %v", err, d)
				}
			}
		})
	}
	wg.Wait()
}

func TestRedisNotConnected(t *testing.T) {
	t.Parallel()
	r, err := NewRedis(RedisOptions{URL: "redis://" + freeport.Addr(t)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Count(context.Background(), OpTake, time.Now(), []Take{one(1, 5, time.Hour)}, make([]State, 1)); err == nil {
		t.Error("counted without a connection")
	}
	if err := r.Probe(context.Background()); err == nil {
		t.Error("connected to nothing")
	}
	r.Close()
}

func TestRedisClosed(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	r := connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()})
	r.Close()
	r.Close()
	if err := r.Probe(context.Background()); err == nil {
		t.Error("connected after Close")
	}
}

// gate is one of several clients of the same counters.
type gate struct {
	*Resilient
	logs *observer.ObservedLogs
}

func startGate(t *testing.T, url string, timeout time.Duration) *gate {
	t.Helper()
	shared, err := NewRedis(RedisOptions{URL: url, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	g := &gate{NewResilient(shared, NewMemory(0), OnErrorMemory, zap.New(core)), logs}
	t.Cleanup(g.Close)
	return g
}

// tally is what load has seen, by end of window.
type tally struct {
	mu              sync.Mutex
	passed, refused map[int64]int64
	degraded        map[int64]bool // windows in which Redis was down for some gate
}

// load takes one unit after the other through every gate, with several requests
// at a time, until the test is done with it.
func load(t *testing.T, gates []*gate, takes ...Take) (seen *tally, stop func()) {
	t.Helper()
	seen = &tally{passed: map[int64]int64{}, refused: map[int64]int64{}, degraded: map[int64]bool{}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, g := range gates {
		for range 4 {
			wg.Go(func() {
				states := make([]State, len(takes))
				for ctx.Err() == nil {
					before := g.Health()
					fits, err := g.Count(context.Background(), OpTake, time.Now(), takes, states)
					if err != nil {
						t.Error(err)
						return
					}
					seen.add(states[0].Reset.UnixMilli(), fits, !before.Up || g.Health() != before)
					if !fits {
						time.Sleep(time.Millisecond) // leave the machine to Redis
					}
				}
			})
		}
	}
	return seen, func() { cancel(); wg.Wait() }
}

func (y *tally) add(end int64, fits, degraded bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if fits {
		y.passed[end]++
	} else {
		y.refused[end]++
	}
	if degraded {
		y.degraded[end] = true
	}
}

// exhausted returns the number of windows with refusals, and without outages.
func (y *tally) exhausted() int {
	y.mu.Lock()
	defer y.mu.Unlock()
	n := 0
	for end := range y.refused {
		if !y.degraded[end] {
			n++
		}
	}
	return n
}

// check requires that every window let through exactly n if it refused at all,
// and never more; with Redis down somewhere, never more than most.
func (y *tally) check(t *testing.T, n, most int64) {
	t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	for end, passed := range y.passed {
		switch {
		case y.degraded[end]:
			if passed > most {
				t.Errorf("window %d: %d passed during an outage, want at most %d", end, passed, most)
			}
		case passed > n || y.refused[end] > 0 && passed != n:
			t.Errorf("window %d: %d passed, %d refused, limit %d", end, passed, y.refused[end], n)
		}
	}
}

// TestRedisTwoGates: over ten windows, two gates that share a limit together
// let through exactly as much as it allows.
func TestRedisTwoGates(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	gates := []*gate{startGate(t, "redis://"+s.Addr(), patience), startGate(t, "redis://"+s.Addr(), patience)}
	const limit = 50
	seen, stop := load(t, gates, one(1, limit, time.Second), one(2, 1<<50, time.Hour))
	await.That(t, "ten windows", func() bool { return seen.exhausted() >= 10 })
	stop()
	seen.check(t, limit, limit)
	var total int64
	for _, n := range seen.passed {
		total += n
	}
	if _, states := redisCount(t, connectRedis(t, RedisOptions{URL: "redis://" + s.Addr()}), OpPeek, one(2, 1<<50, time.Hour)); states[0].Limit-states[0].Remaining != total {
		t.Errorf("the other counter was charged %d for %d requests", states[0].Limit-states[0].Remaining, total)
	}
	for _, g := range gates {
		if h := g.Health(); h != (Health{Up: true}) || g.logs.Len() > 0 {
			t.Errorf("%+v, logs %v", h, g.logs.All())
		}
	}
}

// TestRedisOutage takes Redis away in mid-load and brings it back.
func TestRedisOutage(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name               string
		takeAway, giveBack func(s *redistest.Server)
	}{
		{"SIGSTOP", (*redistest.Server).Suspend, (*redistest.Server).Resume},
		{"SIGKILL", (*redistest.Server).Kill, (*redistest.Server).Restart},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := redistest.Start(t)
			testOutage(t, "redis://"+s.Addr(), func() { tc.takeAway(s) }, func() { tc.giveBack(s) })
		})
	}
}

func testOutage(t *testing.T, url string, takeAway, giveBack func()) {
	const limit, timeout = 50, time.Second
	gates := []*gate{startGate(t, url, timeout), startGate(t, url, timeout)}
	seen, stop := load(t, gates, one(1, limit, time.Second))
	await.That(t, "a full window", func() bool { return seen.exhausted() >= 1 })

	takeAway()
	await.That(t, "both gates to notice", func() bool { return !gates[0].Health().Up && !gates[1].Health().Up })
	began := time.Now()
	for range 1000 { // none of them waits for Redis
		if _, err := gates[0].Count(context.Background(), OpTake, began, []Take{one(2, 5, time.Hour)}, make([]State, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if d := time.Since(began); d > timeout {
		t.Errorf("1000 requests took %v during the outage", d)
	}

	giveBack()
	await.That(t, "both gates to come back", func() bool { return gates[0].Health().Up && gates[1].Health().Up })
	before := seen.exhausted()
	await.That(t, "full windows after the outage", func() bool { return seen.exhausted() >= before+2 })
	stop()
	// Each gate may let the limit through, and Redis before and after.
	seen.check(t, limit, 4*limit)
	for i, g := range gates {
		if h := g.Health(); h.Outages != 1 || h.Degraded == 0 {
			t.Errorf("gate %d: %+v", i, h)
		}
		logs := g.logs.Filter(func(e observer.LoggedEntry) bool { return e.Message != stillDown }).All()
		if len(logs) != 2 || logs[0].Message != down || logs[1].Message != back {
			t.Errorf("gate %d: logs %v", i, g.logs.All())
		}
	}
}

// TestRedisStartsLate: a gate may start before its Redis.
func TestRedisStartsLate(t *testing.T) {
	t.Parallel()
	s := redistest.Start(t)
	s.Kill()
	g := startGate(t, "redis://"+s.Addr(), patience)
	if h := g.Health(); h.Up || h.Outages != 1 {
		t.Errorf("%+v", h)
	}
	s.Restart()
	await.That(t, "the gate to connect", func() bool { return g.Health().Up })
}

func TestRedisCluster(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	url := "redis+cluster://" + nodes[0].Addr() + "," + nodes[1].Addr()
	r := connectRedis(t, RedisOptions{URL: url})
	for range 3 {
		redisCount(t, r, OpTake, one(1, 10, time.Hour), one(2, 3, time.Hour), one(3, 10, time.Minute))
	}
	fits, states := redisCount(t, r, OpTake, one(1, 10, time.Hour), one(2, 3, time.Hour))
	if fits || states[0].Remaining != 7 || !states[1].Refused {
		t.Errorf("fits %v, %+v", fits, states)
	}
	var owner *redistest.Server
	for _, n := range nodes {
		if n.Command("DBSIZE") != ":0" {
			if owner != nil {
				t.Error("counters are on two nodes")
			}
			owner = n
		}
	}
	testOutage(t, url, owner.Kill, owner.Restart)
}

// user returns the arguments that make the user of docs/limits.md, with a password and
// more rights.
func user(t *testing.T, more ...string) []string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(doc), "\nACL SETUSER ")
	line, _, _ := strings.Cut(rest, "\n")
	if !ok || !strings.HasPrefix(line, "gate on >PASSWORD ") {
		t.Fatalf("the user is %q", line)
	}
	return append([]string{"--user"}, append(strings.Fields(line), more...)...)
}

// TestRedisSlotMoves: a cluster that moves the slot with the counters in it serves all
// of them meanwhile, also those that are new, and none is counted without Redis.
func TestRedisSlotMoves(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t, user(t, "+asking")...)
	url := "redis+cluster://gate:PASSWORD@" + nodes[0].Addr()
	g := startGate(t, url, patience)
	g.countMany(t) // counters 0 to 63
	owner := slices.IndexFunc(nodes, func(n *redistest.Server) bool { return n.Command("DBSIZE") != ":0" })
	from, to := nodes[owner], nodes[(owner+1)%3]
	rounds := int64(1)
	count := func() {
		t.Helper()
		g.countMany(t)
		rounds++
	}
	// several counts in counters that are on one node, or nowhere yet.
	several := func(g *gate, first int) []State {
		t.Helper()
		takes, states := make([]Take, 3), make([]State, 3)
		for i := range takes {
			takes[i] = one(first+i, 10, 1000*time.Hour)
		}
		if fits, err := g.Count(context.Background(), OpTake, time.Now(), takes, states); err != nil || !fits {
			t.Errorf("several from %d: %t, %v, %+v", first, fits, err, states)
		}
		return states
	}
	several(g, 300)
	if host, _ := os.Hostname(); !strings.Contains(from.Command("CLIENT LIST"), " name=ingest-auth@"+host+" ") {
		t.Errorf("connections have no name:\n%s", from.Command("CLIENT LIST"))
	}
	move := redistest.BeginMove("limits", from, to)
	count()
	several(g, 400)
	from.Command("DEL " + string(appendCounterName(nil, &probeTake[0])))
	late := startGate(t, url, patience)
	late.countMany(t)
	rounds++
	for keys := move.Keys(10); len(keys) > 0; keys = move.Keys(10) {
		move.Carry(keys)
		count()
	}
	for _, first := range []int{300, 400} {
		if states := several(late, first); states[0].Remaining != 8 || states[2].Remaining != 8 {
			t.Errorf("counters from %d: %+v", first, states)
		}
	}
	if states := several(late, 402); states[0].Remaining != 7 || states[1].Remaining != 9 { // two are new
		t.Errorf("counters from 402: %+v", states)
	}
	count()
	move.End()
	count()
	for i := range 64 {
		_, states := redisCount(t, g.shared.(*Redis), OpPeek, one(i, 1<<50, 1000*time.Hour))
		if got := states[0].Limit - states[0].Remaining; got != rounds {
			t.Fatalf("counter %d is at %d, want %d", i, got, rounds)
		}
	}
	g.undisturbed(t)
	late.undisturbed(t)
}

// TestRedisCountersOnTwoNodes: while the counters of one request are on two nodes, which
// no node can serve, others count in Redis as before.
func TestRedisCountersOnTwoNodes(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	g := startGate(t, "redis+cluster://"+nodes[0].Addr(), patience)
	takes, states := []Take{one(1, 10, 1000*time.Hour), one(2, 10, 1000*time.Hour)}, make([]State, 2)
	count := func(takes []Take) {
		t.Helper()
		if fits, err := g.Count(context.Background(), OpTake, time.Now(), takes, states); err != nil || !fits {
			t.Errorf("%t, %v, %+v", fits, err, states)
		}
	}
	count(takes)
	owner := slices.IndexFunc(nodes, func(n *redistest.Server) bool { return n.Command("DBSIZE") != ":0" })
	move := redistest.BeginMove("limits", nodes[owner], nodes[(owner+1)%3])
	move.Carry([]string{string(appendCounterName(nil, &takes[0]))})
	count(takes)
	if h := g.Health(); !h.Up || h.Outages != 0 || h.Degraded != 1 || g.logs.Len() != 1 {
		t.Errorf("%+v, logs %v", h, g.logs.All())
	}
	count(takes[:1])
	count(takes[1:])
	move.End()
	count(takes)
	// The second of five was counted in memory.
	if states[0].Remaining != 7 || states[1].Remaining != 7 || g.Health().Degraded != 1 {
		t.Errorf("%+v, %+v", states, g.Health())
	}
}

// TestRedisSentinel: when the master dies, counting goes on with the replica
// that the sentinel promotes, and with what it knows.
func TestRedisSentinel(t *testing.T) {
	t.Parallel()
	sentinel, master := redistest.StartSentinel(t)
	g := startGate(t, "redis+sentinel://"+sentinel.Addr()+"/service", time.Second)
	take := []Take{one(1, 100, 1000*time.Hour)}
	states := make([]State, 1)
	count := func() {
		t.Helper()
		if _, err := g.Count(context.Background(), OpTake, time.Now(), take, states); err != nil {
			t.Fatal(err)
		}
	}
	for range 10 {
		count()
	}
	await.That(t, "replication", func() bool {
		_, rest, _ := strings.Cut(master.Command("INFO replication"), "master_repl_offset:")
		offset, _, _ := strings.Cut(rest, "\r\n")
		return strings.Contains(master.Command("INFO replication"), ",offset="+offset+",")
	})
	master.Kill()
	await.That(t, "the gate to notice", func() bool { count(); return !g.Health().Up })
	await.That(t, "the promoted replica", func() bool { return g.Health().Up })
	count()
	if !g.Health().Up || states[0].Remaining < 100-12 || states[0].Remaining > 100-11 {
		t.Errorf("%+v, %+v", g.Health(), states[0])
	}
}
