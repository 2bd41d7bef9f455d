package keysync

import (
	"context"

	"go.uber.org/zap"
)

// Opener has the settings of a source and opens it.
type Opener interface {
	// Settings names the source by its settings. A configuration that takes the place of
	// another goes on with its source, and the cache in front, if this is the same for both.
	// It may be printed: a secret goes in as a hash.
	Settings() string

	// Open opens the source. ctx is for that alone: what runs on is ended by Close, which is
	// called when nothing uses the source any more, if it is an io.Closer. The error should
	// say which setting to look at.
	Open(ctx context.Context, log *zap.Logger) (Source, error)
}

// StoreOpener is an Opener of a source whose records can be changed, as the command
// ingest-keys does.
type StoreOpener interface {
	Opener

	// OpenStore opens the records for changing them. It is closed as a source is.
	OpenStore(ctx context.Context, log *zap.Logger) (Store, error)
}
