package keysync

import (
	"context"
	"iter"
	"time"
)

// Watcher is a Source that reports changes. Without it a change takes effect when the
// cache reads the record again.
type Watcher interface {
	Source

	// Watch reports changes until ctx ends, and then returns. It is called once for each
	// cache in front of the source. There are two caches for some seconds after the
	// settings of the cache have changed.
	Watch(ctx context.Context, to Invalidator)
}

// Invalidator receives reports of changes. A cache is one.
type Invalidator interface {
	// Forget drops what is known about digests that have changed. Those in use are read
	// again at once.
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
	// it may name paths and addresses, but no keys or secrets.
	Problem string

	// Public is what everyone may know while there is a problem, such as "Vault cannot be
	// read". Warning says what is wrong while there is no problem. Both are fixed texts,
	// because a probe is often open to everyone. The gate adds to Public what it means for
	// requests.
	Public, Warning string

	Records   int       // how many it holds; only for a Getter
	LoadedAt  time.Time // when it read them
	ChangesAt time.Time // when it last learned what has changed; only for a Watcher
	Unusable  uint64    // malformed records read so far
}

// Located is a Source that knows where its records are. Only then can a cache pass on its
// records: to a cache with other settings, or with a snapshot to the next process.
type Located interface {
	Source

	// Place names where the records are. Two sources with the same place must have the
	// same records, with any credentials.
	Place() string
}

// Timed is a Source that says how long a look-up may take.
type Timed interface {
	Source

	// Timeout must always return the same time, or 0 for the default of the cache, 500ms.
	Timeout() time.Duration
}

// Lister is a Getter that can list its records.
type Lister interface {
	// Records yields all records, in no order.
	Records() iter.Seq[*Record]
}

// Reloader is a Getter that can read its records again.
type Reloader interface {
	// Reload reads them at once. If they cannot be used, the error says why, and the last
	// good ones are kept.
	Reload() error
}

// Knower is a Getter that can tell whether it holds a key, so that the key is kept out of
// logs wherever it stands in a request. In front of a Source that is no Getter it is the cache.
type Knower interface {
	// Knows reports whether there is a record of d in memory, whatever its state, or it is
	// remembered that there is none. It returns at once, and is no look-up: it asks nobody,
	// and changes neither what is kept nor what is counted.
	Knows(d Digest) bool
}
