package examples_test

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/keyscli"
)

// rotations are how clients of the APIs send an event with a number, and what
// they get for a key that was revoked.
var rotations = []struct {
	example string
	event   func(key string, n int) gatetest.Request
	refused string
}{
	{"ours-privacy", func(key string, n int) gatetest.Request {
		return post("/api/v1/track", fmt.Sprintf(`{"event":"n-%d","userId":"u1","token":%q}`, n, key))
	}, `{"success":false}`},
	{"instasent", func(key string, n int) gatetest.Request {
		return post(crmEvents, fmt.Sprintf(`[{"event":"n-%d"}]`, n), bearer(key))
	}, `{"message":"Invalid API key"}`},
	{"eventicat", func(key string, n int) gatetest.Request {
		return get(fmt.Sprintf("%s&_apikey=%s&name=n-%d", signups, key, n))
	}, `{"error":"Invalid API key"}`},
	{"altertable", func(key string, n int) gatetest.Request {
		return post("/track", fmt.Sprintf(`{"environment":"production","event":"n-%d"}`, n), apiKey(key))
	}, altertableNoKey},
}

// rotated is the record of the key that the tests rotate. Its limits let the
// tests send as much as they like.
var rotated = gatetest.Record{
	"key_id": "key_rotated",
	"scopes": []string{"ingest:read", "ingest:write", "events:write"},
	"resources": map[string][]string{
		"project": {"*"}, "datasource": {"*"}, "aggregator": {"*"}, "environment": {"*"},
	},
	"limits": map[string]string{"account": "1000000/1d", "project_datasource_route": "1000000/1d"},
}

// TestRotation rotates a key while clients send all the time: old and new key
// beside each other, then the new one, then the old one revoked.
func TestRotation(t *testing.T) {
	const oldKey = anyKey + "rotated-key"
	for _, r := range rotations {
		t.Run(r.example, func(t *testing.T) {
			ex := start(t, r.example, map[string]gatetest.Record{oldKey: rotated})
			f := newFleet(t, ex, r.event, oldKey)
			f.sendsMore(t, 20)

			newKey := strings.TrimSpace(ex.ingestKeys(t, "rotate", "key_rotated", "--overlap", "1h", "--quiet"))
			await.That(t, "the new key", func() bool { return f.send(gatetest.Length, newKey).Status < 300 })
			f.sendsMore(t, 20) // with the old key beside the new one
			f.key.Store(newKey)
			f.sendsMore(t, 20)

			ex.ingestKeys(t, "revoke", "key_rotated")
			await.That(t, "the end of the old key", func() bool { return f.send(gatetest.Length, oldKey).Status == http.StatusUnauthorized })
			for range 20 {
				if resp := f.send(gatetest.HTTP2, oldKey); resp.Status != http.StatusUnauthorized || resp.Body != r.refused {
					t.Errorf("the revoked key got %d %s", resp.Status, resp.Body)
				}
			}
			f.sendsMore(t, 20)
			f.stop()
			f.check(t)
		})
	}
}

// ingestKeys runs the subcommand on the key file of the example.
func (ex *example) ingestKeys(t *testing.T, args ...string) string {
	t.Helper()
	cmd := &cobra.Command{Use: "ingest-keys"}
	keyscli.Setup(nil)(cmd)
	var out bytes.Buffer
	cmd.SetOut(&out)
	cmd.SetErr(new(bytes.Buffer))
	cmd.SetArgs(append(args, "--file", ex.keys))
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("ingest-keys %s: %v", args[0], err)
	}
	return out.String()
}

// fleet are clients that send numbered events all the time. What a client of the
// fleet sends must arrive; what was sent with send alone may be refused.
type fleet struct {
	ex    *example
	event func(key string, n int) gatetest.Request
	key   atomic.Value // string, the key that the clients use
	last  atomic.Int64 // number of the last event
	sent  atomic.Int64 // events that clients got an answer for
	stop  func()       // waits until the clients have ended

	mu       sync.Mutex
	accepted []int    // numbers of the events that were answered with 2xx
	failures []string // of the clients
}

// newFleet starts a client for HTTP/1.1 and one for HTTP/2.
func newFleet(t *testing.T, ex *example, event func(key string, n int) gatetest.Request, key string) *fleet {
	f := &fleet{ex: ex, event: event}
	f.key.Store(key)
	done := make(chan struct{})
	var clients sync.WaitGroup
	for _, framing := range []gatetest.Framing{gatetest.Length, gatetest.HTTP2} {
		clients.Go(func() { f.client(framing, done) })
	}
	f.stop = sync.OnceFunc(func() {
		close(done)
		clients.Wait()
	})
	t.Cleanup(f.stop)
	return f
}

// client sends an event a millisecond, or as many as are answered.
func (f *fleet) client(framing gatetest.Framing, done <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if resp := f.send(framing, f.key.Load().(string)); resp.Status >= 300 {
			f.mu.Lock()
			f.failures = append(f.failures, fmt.Sprintf("%s: %d %s", framing, resp.Status, resp.Body))
			f.mu.Unlock()
		}
		f.sent.Add(1)
	}
}

// send sends the next event. A request without an answer has the status 599.
func (f *fleet) send(framing gatetest.Framing, key string) gatetest.Response {
	n := int(f.last.Add(1))
	req := f.event(key, n)
	req.Framing = framing
	resp, err := f.ex.Try(req)
	if err != nil {
		return gatetest.Response{Status: 599, Body: err.Error()}
	}
	if resp.Status < 300 {
		f.mu.Lock()
		f.accepted = append(f.accepted, n)
		f.mu.Unlock()
	}
	return resp
}

// sendsMore waits until the clients have got n more answers.
func (f *fleet) sendsMore(t *testing.T, n int64) {
	t.Helper()
	goal := f.sent.Load() + n
	await.That(t, "events", func() bool { return f.sent.Load() >= goal })
}

var eventNumber = regexp.MustCompile(`n-(\d+)`)

// check checks that all events of the clients were accepted, and that exactly
// the accepted ones have arrived, once each.
func (f *fleet) check(t *testing.T) {
	t.Helper()
	if len(f.failures) > 0 {
		t.Errorf("%d of %d requests failed, the first with %s", len(f.failures), f.sent.Load(), f.failures[0])
	}
	arrived := make(map[int]int)
	for _, s := range f.ex.live.Take() {
		if m := eventNumber.FindStringSubmatch(s.URI + s.Body); m != nil {
			n, _ := strconv.Atoi(m[1])
			arrived[n]++
		}
	}
	for _, n := range f.accepted {
		if arrived[n] != 1 {
			t.Errorf("event %d arrived %d times", n, arrived[n])
		}
		delete(arrived, n)
	}
	if len(arrived) > 0 {
		t.Errorf("events arrived that were not accepted: %v", slices.Sorted(maps.Keys(arrived)))
	}
}
