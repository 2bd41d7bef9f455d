package keysync

import (
	"context"
	"errors"
	"fmt"
)

// Source is where records live.
type Source interface {
	// Lookup returns the record of a digest. The record is shared and must not
	// be changed. Its validity times are not judged here: see Record.State.
	//
	// The error is ErrUnknown if the source knows that the key does not exist. It wraps
	// ErrUnavailable if the source cannot say, or if its record is unusable. An outage is
	// never reported as an unknown key.
	Lookup(ctx context.Context, d Digest) (*Record, error)
}

// Getter is a Source that also says how a look-up went.
type Getter interface {
	Source

	// Get is Lookup with the outcome. OutcomeUnknown goes with ErrUnknown, and
	// OutcomeError with every other error.
	Get(ctx context.Context, d Digest) (*Record, Outcome, error)
}

// Outcome says how a look-up went.
type Outcome uint8

// The outcomes of a look-up.
const (
	OutcomeHit     Outcome = iota // served from the cache
	OutcomeStale                  // served from the cache, but due to be read again
	OutcomeMiss                   // read from the source
	OutcomeUnknown                // no such key
	OutcomeError                  // the source cannot say
)

// String returns "hit", "stale", "miss", "unknown" or "error".
func (o Outcome) String() string {
	return [...]string{"hit", "stale", "miss", "unknown", "error"}[o]
}

var (
	// ErrUnknown says that the key does not exist.
	ErrUnknown = errors.New("unknown key")

	// ErrUnavailable says that the source cannot tell whether a digest has a record.
	ErrUnavailable = errors.New("key source unavailable")

	// ErrUnusable says that the record in the source is malformed. It wraps
	// ErrUnavailable, because nobody can tell whether the key is good.
	ErrUnusable = fmt.Errorf("%w: unusable record", ErrUnavailable)
)
