package caddymodule

import (
	"context"
	"errors"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// meteredSource measures the reads of a source.
type meteredSource struct {
	keysync.Source
}

// Lookup implements keysync.Source.
func (s meteredSource) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	began := time.Now()
	record, err := s.Source.Lookup(ctx, d)
	took := time.Since(began).Seconds()
	unusable := errors.Is(err, keysync.ErrUnusable)
	if unusable {
		meters.Unusable.Inc()
	}
	if err == nil || errors.Is(err, keysync.ErrUnknown) || unusable {
		meters.SourceOK.Observe(took)
	} else {
		meters.SourceFailed.Observe(took)
	}
	return record, err
}
