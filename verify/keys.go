package verify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// fetchGap is the shortest time from the end of one fetch to the next.
	fetchGap = 5 * time.Second

	// fetchTimeout is how long one fetch may take.
	fetchTimeout = 5 * time.Second

	// keepKeys is how long keys are trusted while the set cannot be read.
	keepKeys = 24 * time.Hour
)

var errUnknownKey = errors.New("the key set has no key with that kid and algorithm")

// A source reads a key set. gap is the shortest time between two reads.
type source interface {
	load(ctx context.Context) (*keySet, error)
	gap() time.Duration
}

// keyCache is a key set that is read again when it is needed.
type keyCache struct {
	source source
	log    *slog.Logger
	set    atomic.Pointer[keySet] // nil until it was read

	mu      sync.Mutex
	reading chan struct{} // closed when the current read is over; nil if there is none
	last    time.Time     // end of the last read
	err     error         // why the last read failed
}

func newKeyCache(s source, log *slog.Logger) *keyCache { return &keyCache{source: s, log: log} }

// find returns the key with that name. It fails with errUnknownKey if the key set has no
// such key, and with other errors if it cannot know.
func (c *keyCache) find(ctx context.Context, name keyName) (any, error) {
	set, now := c.set.Load(), time.Now()
	if key := set.key(name); key != nil && set.age(now) < set.fresh {
		return key, nil
	}
	reading, failed := c.refresh(now)
	if key := set.key(name); key != nil && (failed != nil || set.age(now) < 2*set.fresh) && set.age(now) < keepKeys {
		return key, nil // and the set is read in the background
	}
	if reading != nil {
		select {
		case <-reading:
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the key set: %w", context.Cause(ctx))
		}
	}
	return c.current(name)
}

// current returns the key of that name after the set was read, or could not be.
func (c *keyCache) current(name keyName) (any, error) {
	c.mu.Lock()
	err := c.err
	c.mu.Unlock()
	set := c.set.Load()
	key := set.key(name)
	switch {
	case key != nil && set.age(time.Now()) < keepKeys:
		return key, nil
	case err != nil:
		return nil, err
	}
	return nil, errUnknownKey
}

// refresh starts to read the set, unless a read is running or has just ended. It returns
// a channel that is closed when the current read is over, or nil if there is none, and
// the error of the last read.
func (c *keyCache) refresh(now time.Time) (<-chan struct{}, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reading == nil && (c.last.IsZero() || now.Sub(c.last) >= c.source.gap()) {
		c.reading = make(chan struct{})
		go c.read()
	}
	return c.reading, c.err
}

// read reads the set for all requests that wait for it, so it does not end with one of
// them.
func (c *keyCache) read() {
	ctx, cancel := context.WithTimeout(context.Background(), fetchTimeout)
	defer cancel()
	set, err := c.source.load(ctx)
	if err != nil {
		err = fmt.Errorf("reading the key set: %w", err)
	} else {
		set.read = time.Now()
		c.set.Store(set)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell(err)
	c.err, c.last = err, time.Now()
	close(c.reading)
	c.reading = nil
}

// tell logs when reads start to fail and when they work again.
func (c *keyCache) tell(err error) {
	switch {
	case err != nil && c.err == nil:
		c.log.Warn("the gate's key set cannot be read", "error", err, "known_keys_kept_for", keepKeys)
	case err == nil && c.err != nil:
		c.log.Info("the gate's key set can be read again")
	}
}
