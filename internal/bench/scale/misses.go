package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// missTogether makes goroutines look up one key that is not in the cache, and returns how
// often it was read and how many of them missed. A read lasts until all have begun.
func missTogether(ctx context.Context, goroutines int) (reads, missed int64, err error) {
	var begun, all sync.WaitGroup
	begun.Add(goroutines)
	var nReads, nMissed atomic.Int64
	c, err := newCache(func(keysync.Digest) (*keysync.Record, error) {
		nReads.Add(1)
		begun.Wait()
		return one, nil
	}, 1, noCap)
	if err != nil {
		return 0, 0, err
	}
	defer c.Close()
	for range goroutines {
		all.Go(func() {
			begun.Done()
			if _, outcome, _ := c.Get(ctx, known(0)); outcome == keysync.OutcomeMiss {
				nMissed.Add(1)
			}
		})
	}
	all.Wait()
	return nReads.Load(), nMissed.Load(), nil
}

func reportMisses(ctx context.Context, w io.Writer, s sizes) error {
	var most, missed int64
	for range s.misses {
		reads, m, err := missTogether(ctx, s.waiting)
		if err != nil {
			return err
		}
		most, missed = max(most, reads), missed+m
	}
	fmt.Fprintf(w, "\n### Misses of one key\n\n%s goroutines look up one key that is not in the cache, %d times. Reads of the source: at most %d each time.\n"+
		"%.1f %% of the look-ups waited for the read, the others came after it.\n",
		grouped(s.waiting), s.misses, most, 100*float64(missed)/float64(s.misses*s.waiting))
	if most != 1 {
		return fmt.Errorf("a key that %d miss at a time was read %d times, want once", s.waiting, most)
	}
	return nil
}
