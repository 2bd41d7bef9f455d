package keysync

import (
	"context"

	"go.uber.org/zap"
)

// Opener has the settings of a source and opens it.
type Opener interface {
	// Settings identifies the source by its settings. If a new configuration returns the
	// same text as the old one, it keeps using the source and its cache. The text may be
	// printed: include only a hash of a secret.
	Settings() string

	// Open opens the source. ctx is only for opening. If the source is an io.Closer, the
	// gate calls Close when nothing uses the source any more; Close must end all background
	// work. The error should say which setting is wrong.
	Open(ctx context.Context, log *zap.Logger) (Source, error)
}

// StoreOpener is an Opener of a source whose records can be changed, for example with the
// command ingest-keys.
type StoreOpener interface {
	Opener

	// OpenStore opens the records for changing them. The store is closed like a source.
	OpenStore(ctx context.Context, log *zap.Logger) (Store, error)
}
