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
	// The error is ErrUnknown if the source knows that no such key exists, and
	// wraps ErrUnavailable if it cannot say, or if the record it holds is
	// unusable. An outage is never reported as an unknown key.
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
	OutcomeStale                  // served from the cache though it is to be read again
	OutcomeMiss                   // read from the source
	OutcomeUnknown                // no such key
	OutcomeError                  // the source cannot say
)

// String returns "hit", "stale", "miss", "unknown" or "error".
func (o Outcome) String() string {
	return [...]string{"hit", "stale", "miss", "unknown", "error"}[o]
}

var (
	// ErrUnknown says that no such key exists.
	ErrUnknown = errors.New("unknown key")

	// ErrUnavailable says that the source cannot tell what a digest stands for.
	ErrUnavailable = errors.New("key source unavailable")

	// ErrUnusable says that the source holds a record which is malformed. It wraps
	// ErrUnavailable: whether the key is good cannot be told.
	ErrUnusable = fmt.Errorf("%w: unusable record", ErrUnavailable)
)
