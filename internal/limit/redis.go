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

// dialTimeout bounds connecting to one server, and how long Probe waits for an
// answer.
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
// All counters of a request are taken in one round trip by a script, which no
// other command can come between. The server's clock counts, so gates with
// skewed clocks agree. Counters are named ingest_auth:{limits}:<counter
// key>:<window in ms>, hold no secrets and expire one second after their
// window. The one hash tag puts them all on one node of a cluster.
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

// clientName is what operators of Redis see of a gate. The name of the host, in
// Kubernetes that of the pod, tells gates apart whose addresses a proxy hides.
func clientName() string {
	host, err := os.Hostname()
	if err != nil {
		return "ingest-auth"
	}
	return "ingest-auth@" + host
}

// checkServer makes sure that the server can count, now and here: it has the script
// from then on, is no replica and has the slot of the counters.
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

// errNoCounter is the error of one counter: Redis counts, but something else is
// where this one should be, or those of one request are on two nodes just now.
// Others are not concerned.
var errNoCounter = errors.New("no counter")

// ofCounter makes of an answer that one counter cannot be used the error that says so.
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

// patience is how long what no request waits for may take.
func (r *Redis) patience() time.Duration { return max(dialTimeout, r.timeout) }

// Count implements Counters. It fails if Redis does not answer in time, and at
// once if there is no connection. The caller's clock is not used.
func (r *Redis) Count(ctx context.Context, op Op, _ time.Time, takes []Take, states []State) (bool, error) {
	return r.count(ctx, r.timeout, op, takes, states)
}

// Probe finds out whether Redis can count now, and connects if need be: first
// with time to do so, then within the timeout that Count has. A connection on
// which it cannot is dropped, so that the next probe looks for the server anew.
// That the counter of probes cannot be used shows that others can.
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
// several only if it has them all, so those that nobody has are made first.
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

// create makes sure that there are counters to take from: adding nothing makes one.
func (r *Redis) create(ctx context.Context, c *redis.Call, takes []Take) error {
	for _, t := range takes {
		t.Cost = 0
		if err := r.eval(ctx, c, OpAdd, []Take{t}); err != nil {
			return err
		}
	}
	return nil
}

// eval runs the script, by its name, which is shorter, if the server knows it.
func (r *Redis) eval(ctx context.Context, c *redis.Call, op Op, takes []Take) error {
	c.Command = appendEval(c.Command[:0], "EVALSHA", takeScriptName, op, takes)
	err := r.client.Do(ctx, c)
	if err != nil && codeOf(err) == "NOSCRIPT" {
		c.Command = appendEval(c.Command[:0], "EVAL", takeScript, op, takes)
		err = r.client.Do(ctx, c)
	}
	return err
}
