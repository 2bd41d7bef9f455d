package limit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/redis"
)

// DefaultTimeout is how long a request waits for Redis by default.
const DefaultTimeout = 50 * time.Millisecond

// dialTimeout limits connecting to one server, and how long Probe waits for an answer.
const dialTimeout = time.Second

// calls are reused.
var calls = sync.Pool{New: func() any { return redis.NewCall() }}

// RedisOptions configures Redis.
type RedisOptions struct {
	// URL says where Redis is, see redis.Options.
	URL string

	// Timeout is how long Count waits for an answer, 50 ms by default.
	Timeout time.Duration

	// TLS overrides the TLS settings of a rediss URL, for example to trust a
	// private CA. By default the system's CAs are trusted, from TLS 1.2 on.
	TLS *tls.Config
}

// Redis counts in a Redis server, version 5 or later, that several gates share.
//
// A script counts in all counters of a request atomically, in one round trip. The
// server's clock decides, so gates with different clocks agree. Counters are named
// ingest_auth:{limits}:<counter key>:<window in ms>, hold no secrets and expire one
// second after their window. The one hash tag puts them all on one node of a cluster.
type Redis struct {
	client  *redis.Client
	timeout time.Duration
}

// NewRedis checks the options. It does not connect: that is what Probe does.
// Errors do not quote the URL, since it may hold a password.
func NewRedis(o RedisOptions) (*Redis, error) {
	r := &Redis{timeout: o.Timeout}
	if r.timeout <= 0 {
		r.timeout = DefaultTimeout
	}
	client, err := redis.New(redis.Options{
		URL: o.URL, TLS: o.TLS, Name: clientName(),
		DialTimeout: r.patience(), WriteTimeout: r.timeout,
		Check: checkServer,
	})
	if err != nil {
		return nil, err
	}
	r.client = client
	return r, nil
}

// clientName is the name of a gate that operators of Redis see. It has the name of the
// host (in Kubernetes of the pod), which distinguishes gates if a proxy hides their
// addresses.
func clientName() string {
	host, err := os.Hostname()
	if err != nil {
		return "ingest-auth"
	}
	return "ingest-auth@" + host
}

// checkServer makes sure that the server can count: it has the script from then on, is
// not a replica, and has the slot of the counters.
func checkServer(do redis.Do) error {
	reply, err := do(appendEval(nil, "EVAL", takeScript, OpAdd, probeTake))
	if err != nil {
		if errors.Is(ofCounter(err), errNoCounter) {
			return nil // see Probe
		}
		return err
	}
	var states [1]State
	_, err = statesOf(reply.Numbers, OpAdd, probeTake, states[:])
	return err
}

// errNoCounter is the error of one counter: Redis works, but something else has the name
// of the counter, or the counters of one request are on two nodes at the moment. Other
// counters are not affected.
var errNoCounter = errors.New("no counter")

// ofCounter wraps err in errNoCounter if the answer says that one counter cannot be used.
func ofCounter(err error) error {
	if code := codeOf(err); code == "WRONGTYPE" || code == codeMoving {
		return fmt.Errorf("%w: %w", errNoCounter, err)
	}
	return err
}

// codeMoving is what a node answers while a cluster moves the slot of the counters, if
// it does not have all counters of a request.
const codeMoving = "TRYAGAIN"

// codeOf returns what kind of error the server has answered, or "".
func codeOf(err error) string {
	var answered redis.ServerError
	if !errors.As(err, &answered) {
		return ""
	}
	return answered.Code()
}

// patience is how long commands may take for which no request waits.
func (r *Redis) patience() time.Duration { return max(dialTimeout, r.timeout) }

// Count implements Counters. It fails if Redis does not answer in time, and at
// once if there is no connection. The caller's clock is not used.
func (r *Redis) Count(ctx context.Context, op Op, _ time.Time, takes []Take, states []State) (bool, error) {
	return r.count(ctx, r.timeout, op, takes, states)
}

// Probe finds out whether Redis can count now, and connects if necessary. It tries first
// with a long timeout, then within the timeout of Count. If it fails, it drops the
// connection, so that the next probe looks for the server again. If only the counter of
// probes cannot be used, other counters can.
func (r *Redis) Probe(ctx context.Context) error {
	drop, err := r.client.Connect(ctx)
	if err != nil {
		return fmt.Errorf("connecting to Redis: %w", err)
	}
	var states [1]State
	if _, err := r.count(ctx, r.patience(), OpAdd, probeTake, states[:]); err != nil && !errors.Is(err, errNoCounter) {
		if ctx.Err() == nil {
			drop(err)
		}
		return err
	}
	if _, err = r.count(ctx, r.timeout, OpAdd, probeTake, states[:]); errors.Is(err, errNoCounter) {
		return nil
	}
	return err
}

// Close closes the connection. Count and Probe fail from then on.
func (r *Redis) Close() { r.client.Close() }

func (r *Redis) count(ctx context.Context, timeout time.Duration, op Op, takes []Take, states []State) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := calls.Get().(*redis.Call)
	fits, err := r.run(ctx, c, op, takes, states)
	if err != nil {
		return false, fmt.Errorf("counting in Redis: %w", err)
	}
	calls.Put(c) // not after an error: the answer may still come
	return fits, nil
}

// run runs the script. While a cluster moves the slot of the counters, a node serves
// several counters only if it has all of them. So counters that do not exist yet are
// created first.
func (r *Redis) run(ctx context.Context, c *redis.Call, op Op, takes []Take, states []State) (bool, error) {
	err := r.eval(ctx, c, op, takes)
	if err != nil && len(takes) > 1 && codeOf(err) == codeMoving {
		if err = r.create(ctx, c, takes); err == nil {
			err = r.eval(ctx, c, op, takes)
		}
	}
	if err != nil {
		return false, ofCounter(err)
	}
	return statesOf(c.Reply.Numbers, op, takes, states)
}

// create makes sure that the counters exist: adding zero creates a counter.
func (r *Redis) create(ctx context.Context, c *redis.Call, takes []Take) error {
	for _, t := range takes {
		t.Cost = 0
		if err := r.eval(ctx, c, OpAdd, []Take{t}); err != nil {
			return err
		}
	}
	return nil
}

// eval runs the script by its name, which is shorter, if the server knows it, else by its
// text.
func (r *Redis) eval(ctx context.Context, c *redis.Call, op Op, takes []Take) error {
	c.Command = appendEval(c.Command[:0], "EVALSHA", takeScriptName, op, takes)
	err := r.client.Do(ctx, c)
	if err != nil && codeOf(err) == "NOSCRIPT" {
		c.Command = appendEval(c.Command[:0], "EVAL", takeScript, op, takes)
		err = r.client.Do(ctx, c)
	}
	return err
}
