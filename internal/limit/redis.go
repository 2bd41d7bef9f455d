package limit

import (
	"context"
	"crypto/tls"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"
)

// DefaultTimeout is how long a request waits for Redis by default.
const DefaultTimeout = 50 * time.Millisecond

const (
	// keyPrefix holds the hash tag that puts all counters into one slot of a
	// cluster: only then can one script take several of them.
	keyPrefix = "ingest_auth:{limits}:"

	// dialTimeout bounds connecting, which no request waits for: see Probe.
	dialTimeout = time.Second

	// bufferSize of each direction; a take is about 250 bytes.
	bufferSize = 32 << 10
)

//go:embed take.lua
var takeScript string

var opNames = [...]string{OpTake: "take", OpPeek: "peek", OpAdd: "add"}

// probeTake is the counter that Probe counts in.
var probeTake = []Take{{Key: KeyOf("probe"), Rate: Rate{1, time.Second}, Cost: 1}}

var errNotConnected = errors.New("not connected to Redis")

// RedisOptions configures Redis.
type RedisOptions struct {
	// URL is one of
	//
	//	redis://[[user]:password@]host[:port][/database]
	//	redis+sentinel://[[user]:password@]host[:port][,…]/service[/database][?sentinel_password=…]
	//	redis+cluster://[[user]:password@]host[:port][,…]
	//
	// or the same with rediss for TLS. User and password are percent-encoded;
	// with sentinels they are those of the data nodes. Ports default to 6379,
	// those of sentinels to 26379. Of a cluster or of the sentinels, some hosts
	// are enough to find the rest.
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
	option  rueidis.ClientOption
	timeout time.Duration
	script  *rueidis.Lua
	client  atomic.Pointer[rueidis.Client]

	connecting sync.Mutex
	closed     bool
}

// NewRedis checks the options. It does not connect: that is what Probe does.
// Errors do not quote the URL, since it may hold a password.
func NewRedis(o RedisOptions) (*Redis, error) {
	option, err := parseRedisURL(o.URL)
	if err != nil {
		return nil, err
	}
	if o.TLS != nil {
		if option.TLSConfig == nil {
			return nil, errors.New("checking Redis options: TLS settings without TLS: write rediss instead of redis in the URL")
		}
		option.TLSConfig, option.Sentinel.TLSConfig = o.TLS, o.TLS
	}
	r := &Redis{option: option, timeout: o.Timeout, script: rueidis.NewLuaScript(takeScript)}
	if r.timeout <= 0 {
		r.timeout = DefaultTimeout
	}
	r.tune()
	return r, nil
}

// tune sets what the URL leaves open.
func (r *Redis) tune() {
	o := &r.option
	o.Dialer.Timeout = max(dialTimeout, r.timeout)
	o.Sentinel.Dialer = o.Dialer
	o.ConnWriteTimeout = 2 * o.Dialer.Timeout // drops connections that have gone silent
	o.DisableCache = true
	o.PipelineMultiplex = -1 // one connection: measured faster than four
	o.ReadBufferEachConn, o.WriteBufferEachConn = bufferSize, bufferSize
	o.ClusterOption.ShardsRefreshInterval = 10 * time.Second
	o.Sentinel.TopologyRefreshInterval = 5 * time.Second
}

// Count implements Counters. It fails if Redis does not answer in time, and at
// once if it was never connected. The caller's clock is not used.
func (r *Redis) Count(ctx context.Context, op Op, _ time.Time, takes []Take, states []State) (bool, error) {
	return r.count(ctx, r.timeout, op, takes, states)
}

// Probe finds out whether Redis can count now, and connects if need be: first
// with time to do so, then within the timeout that Count has.
func (r *Redis) Probe(ctx context.Context) error {
	if err := r.connect(); err != nil {
		return err
	}
	var states [1]State
	if _, err := r.count(ctx, r.option.Dialer.Timeout, OpAdd, probeTake, states[:]); err != nil {
		return err
	}
	_, err := r.count(ctx, r.timeout, OpAdd, probeTake, states[:])
	return err
}

// Close closes the connections. Count and Probe fail from then on.
func (r *Redis) Close() {
	r.connecting.Lock()
	defer r.connecting.Unlock()
	r.closed = true
	if c := r.client.Swap(nil); c != nil {
		(*c).Close()
	}
}

// connect makes the client, which then reconnects by itself.
func (r *Redis) connect() error {
	r.connecting.Lock()
	defer r.connecting.Unlock()
	if r.closed || r.client.Load() != nil {
		return nil
	}
	c, err := rueidis.NewClient(r.option)
	if err != nil {
		return fmt.Errorf("connecting to Redis: %w", err)
	}
	r.client.Store(&c)
	return nil
}

func (r *Redis) count(ctx context.Context, timeout time.Duration, op Op, takes []Take, states []State) (bool, error) {
	c := r.client.Load()
	if c == nil {
		return false, errNotConnected
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	keys, args := words(op, takes)
	reply, err := r.script.Exec(ctx, *c, keys, args).AsIntSlice()
	if err != nil {
		return false, fmt.Errorf("counting in Redis: %w", err)
	}
	if len(reply) != 2+2*len(takes) {
		return false, fmt.Errorf("counting in Redis: answer of %d numbers for %d counters", len(reply), len(takes))
	}
	fits, now := reply[0] == 1, reply[1]
	for i := range takes {
		states[i] = stateAfter(op, fits, &takes[i], reply[2+2*i], reply[3+2*i], now)
	}
	return fits, nil
}

// stateAfter describes a counter that the script left with used units.
func stateAfter(op Op, fits bool, t *Take, end, used, now int64) State {
	var taken int64
	if op == OpAdd || op == OpTake && fits {
		taken = t.Cost
	}
	s := stateOf(t, used-taken, end, now)
	s.Remaining = max(0, t.Rate.N-used)
	return s
}

// words returns the keys and arguments of the script.
func words(op Op, takes []Take) (keys, args []string) {
	keys = make([]string, len(takes))
	args = make([]string, 1, 1+3*len(takes))
	args[0] = opNames[op]
	for i := range takes {
		t := &takes[i]
		window := strconv.FormatInt(t.Rate.Window.Milliseconds(), 10)
		var key [96]byte
		b := append(key[:0], keyPrefix...)
		b = hex.AppendEncode(b, t.Key[:])
		b = append(b, ':')
		b = append(b, window...)
		keys[i] = string(b)
		args = append(args, window, strconv.FormatInt(t.Rate.N, 10), strconv.FormatInt(t.Cost, 10))
	}
	return keys, args
}
