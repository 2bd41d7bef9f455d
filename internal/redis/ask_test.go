package redis

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

// other returns another node than this one.
func other(nodes []*redistest.Server, than *redistest.Server) *redistest.Server {
	if nodes[0] == than {
		return nodes[1]
	}
	return nodes[0]
}

// TestSlotMovesWithKeys: while a cluster moves the slot with its keys, the node that has
// the key answers every request, and it counts once.
func TestSlotMovesWithKeys(t *testing.T) {
	t.Parallel()
	nodes := redistest.StartCluster(t)
	c := connect(t, Options{URL: "redis+cluster://" + nodes[0].Addr(), WriteTimeout: time.Second})
	from := ownerOf(t, nodes, c) // adds for the first time
	to := other(nodes, from)
	move := redistest.BeginMove("test", from, to)
	rounds := int64(1)
	check := func() {
		t.Helper()
		addMany(t, c)
		rounds++
	}
	check() // all is where it was
	// Who connects now is served, too, and so are keys that are new.
	if got := from.Command("DEL {test}probe"); got != ":1" {
		t.Fatal(got)
	}
	late := connect(t, Options{URL: "redis+cluster://" + nodes[0].Addr()})
	for n := range 3 {
		if got, err := run(context.Background(), late, add("new", "1")); got != int64(n)+1 || err != nil {
			t.Errorf("a new key: %d, %v", got, err)
		}
	}
	if to.Command("DBSIZE") != ":1" {
		t.Errorf("%s keys have moved", to.Command("DBSIZE"))
	}

	// The connection to the other node may close while it is idle.
	if got := to.Command("CLIENT KILL TYPE normal"); got != ":1" {
		t.Errorf("killed %s connections", got)
	}
	await.That(t, "the end of the connection", late.second.over)
	if got, err := run(context.Background(), late, add("new", "1")); got != 4 || err != nil {
		t.Errorf("a new connection: %d, %v", got, err)
	}

	ctx, stop := context.WithCancel(context.Background())
	var load sync.WaitGroup
	var loaded atomic.Int64
	for range 4 {
		load.Go(func() {
			for ctx.Err() == nil {
				if err := addOne(context.Background(), c); err != nil {
					t.Error(err)
				}
				loaded.Add(1)
			}
		})
	}
	for keys := move.Keys(10); len(keys) > 0; keys = move.Keys(10) {
		move.Carry(keys)
		check()
	}
	move.End()
	check()
	stop()
	load.Wait()

	for i := range 64 {
		if got, err := run(context.Background(), c, add(strconv.Itoa(i), "0")); got != rounds || err != nil {
			t.Errorf("key %d: %d, %v, want %d", i, got, err, rounds)
		}
	}
	if got, err := run(context.Background(), c, add("one", "0")); got != loaded.Load() || err != nil {
		t.Errorf("under load: %d, %v, want %d", got, err, loaded.Load())
	}
	late.Close()
	await.That(t, "one connection", func() bool { ids := clients(to); return ids != "" && !strings.Contains(ids, " ") })
	await.That(t, "no connection", func() bool { return clients(from) == "" })
}

// TestAskedNodeCannot: if something is wrong with the node to which the slot is moving,
// only the requests sent there get the error.
func TestAskedNodeCannot(t *testing.T) {
	t.Parallel()
	free := freeport.Addr(t)
	for _, tc := range []struct {
		name, want string
		answer     func(words []string) string // of the node, nil if it is down
	}{
		{"down", free, nil},
		{"not allowed", "NOPERM", func(words []string) string {
			if words[0] == "ASKING" {
				return "-NOPERM this user has no permissions to run the 'asking' command\r\n"
			}
			return "-MOVED 1 127.0.0.1:1\r\n"
		}},
		{"not Redis", errProtocol.Error(), func([]string) string { return "what?\n" }},
		{"hangs up", "EOF", func([]string) string { return "" }},
		{"sends on", "ASK 1", func(words []string) string {
			if words[0] == "ASKING" {
				return "+OK\r\n"
			}
			return "-ASK 1 127.0.0.1:1\r\n"
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			next := free
			if tc.answer != nil {
				next = redistest.Fake(t, tc.answer)
			}
			c := connect(t, Options{URL: "redis+cluster://" + redistest.Fake(t, func(words []string) string {
				if words[1] == "{test}one" {
					return "-ASK 1 " + next + "\r\n"
				}
				return ":1\r\n"
			})})
			for range 3 {
				if err := addOne(context.Background(), c); err == nil || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v", err)
				}
				if _, err := run(context.Background(), c, add("two", "1")); err != nil {
					t.Errorf("another: %v", err)
				}
			}
		})
	}
}

// TestAskedNodeIsSilent: nobody waits for the other node longer than for the first, and
// Close does not at all.
func TestAskedNodeIsSilent(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	next := redistest.Fake(t, func([]string) string { <-silent; return "" })
	defer close(silent)
	c := connect(t, Options{Name: "test", DialTimeout: time.Hour, URL: "redis+cluster://" + redistest.Fake(t, func(words []string) string {
		if words[0] == "INCRBY" && words[1] == "{test}one" {
			return "-ASK 1 " + next + "\r\n"
		}
		return ":1\r\n"
	})})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	if err := addOne(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	c.Close()
}

// TestAskOutsideACluster: a server on its own does not say where passwords are sent.
func TestAskOutsideACluster(t *testing.T) {
	next := redistest.Fake(t, func(words []string) string { t.Errorf("got %q", words); return "" })
	c := connect(t, Options{URL: "redis://:pass@" + redistest.Fake(t, func(words []string) string {
		if len(words) > 1 && words[1] == "{test}one" {
			return "-ASK 1 " + next + "\r\n"
		}
		return ":1\r\n"
	})})
	if err := addOne(context.Background(), c); err == nil || !strings.Contains(err.Error(), "ASK") {
		t.Errorf("got %v", err)
	}
}
