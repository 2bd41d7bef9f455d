package keysync

import (
	"context"
	"iter"
	"time"
)

// Watcher is a Source that tells what has changed. Without it a change takes effect when
// the cache reads a record again.
type Watcher interface {
	Source

	// Watch tells of changes until ctx ends, and returns then. It is called once for each
	// cache in front of the source: there are two for some seconds after the settings of
	// the cache have changed.
	Watch(ctx context.Context, to Invalidator)
}

// Invalidator is told of changes: a cache.
type Invalidator interface {
	// Forget drops what is known of digests that have changed. Those that are in use are
	// read again at once.
	Forget(digests ...Digest)

	// Doubt makes every record be read again before it counts as fresh, spread out. A source
	// calls it when it cannot tell what has changed.
	Doubt()
}

// Reporter is a Source that knows its state.
type Reporter interface {
	Source

	// Status returns at once.
	Status() Status
}

// Status is the state of a source. What a source does not know is zero.
type Status struct {
	// Problem says why records cannot be read now, "" while they can. Administrators see it:
	// it may name paths and addresses, but neither keys nor secrets.
	Problem string

	// Public is what everyone may know while there is a problem, such as "Vault cannot be
	// read", and Warning what is wrong while there is none. They are fixed texts: a probe is
	// often open to everyone. What that means for requests is added to Public.
	Public, Warning string

	Records   int       // that it holds; of a Getter
	LoadedAt  time.Time // when it has read them
	ChangesAt time.Time // when it last learned what has changed; of a Watcher
	Unusable  uint64    // malformed records read so far
}

// Located is a Source that knows where its records are. Only then can what a cache knows
// of them outlive the cache: a change of its settings, or with a snapshot the process.
type Located interface {
	Source

	// Place names where the records are: two sources of the same place hold the same
	// records, whoever reads them.
	Place() string
}

// Timed is a Source that says how long a look-up may take.
type Timed interface {
	Source

	// Timeout returns the same time always, or 0 for the default of the cache, 500ms.
	Timeout() time.Duration
}

// Lister is a Getter that can list its records.
type Lister interface {
	// Records yields all records, in no order.
	Records() iter.Seq[*Record]
}

// Reloader is a Getter that can read its records anew.
type Reloader interface {
	// Reload reads them at once. If they cannot be used the error says why, and the last
	// good ones are kept.
	Reload() error
}
