package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// churn is a full cache and how many keys it has seen.
type churn struct {
	cache           *cache.Cache
	size            int
	keys, strangers int
}

// fourReads makes the cache read a new key, which evicts another; an unknown key; and two
// records that have changed.
func (c *churn) fourReads(ctx context.Context) error {
	if err := c.newKey(ctx); err != nil {
		return err
	}
	c.strangers++
	if _, err := c.cache.Lookup(ctx, unknown(c.strangers)); !errors.Is(err, keysync.ErrUnknown) {
		return fmt.Errorf("looking up an unknown key: %w", err)
	}
	for range 2 {
		d := known(c.keys - rand.N(c.size/2)) // one that is still there
		c.cache.Forget(d)
		if _, err := c.cache.Lookup(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

func (c *churn) newKey(ctx context.Context) error {
	c.keys++
	_, err := c.cache.Lookup(ctx, known(c.keys))
	return err
}

// brief returns a record that is quickly made.
func brief(d keysync.Digest) (*keysync.Record, error) {
	return &keysync.Record{KeyID: string(d[:16])}, nil
}

func reportChurn(ctx context.Context, w io.Writer, s sizes) error {
	cache, err := newCache(brief, s.churned, noCap)
	if err != nil {
		return err
	}
	defer cache.Close()
	c := &churn{cache: cache, size: s.churned}
	for range 2 * s.churned {
		if err := c.newKey(ctx); err != nil {
			return err
		}
	}
	before := cache.Stats()
	heaps := make([]float64, s.hours)
	for i := range heaps {
		for range s.reads / 4 {
			if err := c.fourReads(ctx); err != nil {
				return err
			}
		}
		heaps[i] = heapInUse() / 1e6
	}
	after := cache.Stats()
	fmt.Fprintf(w, "\n### Memory under churn\n\nA full cache of %s keys gets %d times the reads that an hour has room for under the cap of %d a second, one after the\n"+
		"other: a quarter for new keys, a quarter for unknown keys, half for records that have changed. Together %s reads,\n"+
		"%s evictions; %s records and %s unknown digests are in it in the end.\n\n",
		grouped(s.churned), s.hours, s.reads/3600, grouped(int(after.Reads-before.Reads)), grouped(int(after.Evicted-before.Evicted)),
		grouped(after.Records), grouped(after.Unknown))
	fmt.Fprintf(w, "Heap in use after each hour, in MB: %.1f; the last is %.3f of the first.\n", heaps, heaps[len(heaps)-1]/heaps[0])
	return nil
}
