package keycache

import (
	"context"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// meteredSource measures the reads of a source.
type meteredSource struct {
	keysync.Source
	meter func(took time.Duration, err error)
}

// Lookup implements keysync.Source.
func (s meteredSource) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	began := time.Now()
	record, err := s.Source.Lookup(ctx, d)
	s.meter(time.Since(began), err)
	return record, err
}
