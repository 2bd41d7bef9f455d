package redis

import (
	"context"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

// patience replaces the timeout where a test is not about timeouts: the machine
// may be busy.
const patience = 10 * time.Second

// newClient returns a client that takes a server for the right one if it can add to
// a key.
func newClient(t testing.TB, o Options) *Client {
	t.Helper()
	if o.DialTimeout == 0 {
		o.DialTimeout = patience
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = patience
	}
	o.Check = func(do Do) error {
		_, err := do(add("probe", "1"))
		return err
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// connect returns a client that is connected.
func connect(t testing.TB, o Options) *Client {
	t.Helper()
	c := newClient(t, o)
	if _, err := c.Connect(context.Background()); err != nil {
		t.Fatal(err)
	}
	return c
}

// add is a command that adds to a number. All are in one slot of a cluster.
func add(name, n string) []byte { return command("INCRBY", "{test}"+name, n) }

// run runs a command, and returns the number that is the answer.
func run(ctx context.Context, c *Client, command []byte) (int64, error) {
	call := NewCall()
	call.Command = command
	if err := c.Do(ctx, call); err != nil || len(call.Reply.Numbers) != 1 {
		return 0, err
	}
	return call.Reply.Numbers[0], nil
}

func addOne(ctx context.Context, c *Client) error {
	_, err := run(ctx, c, add("one", "1"))
	return err
}

// clients returns the connections that have added to a number and are open, by the
// numbers that the server gives them.
func clients(s *redistest.Server) string {
	var ids []string
	for line := range strings.SplitSeq(s.Command("CLIENT LIST TYPE normal"), "\n") {
		if id, _, ok := strings.Cut(line, " "); ok && strings.Contains(line, "cmd=incrby") {
			ids = append(ids, id)
		}
	}
	return strings.Join(ids, " ")
}
