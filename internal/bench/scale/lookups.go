package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/cache"
)

// subject is a cache of so many keys, and a bare map of the same keys.
type subject struct {
	keys  int
	cache *cache.Cache
	bare  source
	bytes float64 // per key of the cache

	hot, random, bareRandom []float64 // CPU ns per look-up, by round
}

func newSubject(ctx context.Context, keys int) (*subject, error) {
	c, bytes, err := filled(ctx, small, keys)
	if err != nil {
		return nil, err
	}
	m := make(map[keysync.Digest]*keysync.Record)
	for i := range keys {
		m[known(i)] = one
	}
	bare := func(d keysync.Digest) (*keysync.Record, error) { return m[d], nil }
	return &subject{keys: keys, cache: c, bare: bare, bytes: bytes}, nil
}

// filled returns a cache with so many keys, and the bytes that each takes. It has room for
// many more: digests are not spread evenly over its parts, and none is to be evicted. To fill
// it would take eight seconds, or else it would order its keys more often than by default.
func filled(ctx context.Context, s source, keys int) (*cache.Cache, float64, error) {
	before := heapInUse()
	c, err := newCache(s, 8*keys, keys)
	if err != nil {
		return nil, 0, err
	}
	for i := range keys {
		if _, err := c.Lookup(ctx, known(i)); err != nil {
			return nil, 0, err
		}
	}
	if n := c.Stats().Records; n != keys {
		return nil, 0, fmt.Errorf("filling the cache: %d of %d keys are in it", n, keys)
	}
	return c, (heapInUse() - before) / float64(keys), nil
}

// measure adds a round of look-ups of random keys and of one key.
func (s *subject) measure(ctx context.Context, batch []keysync.Digest) {
	for i := range batch {
		batch[i] = known(rand.N(s.keys))
	}
	s.random = append(s.random, cpuPerLookup(ctx, s.cache, batch))
	s.bareRandom = append(s.bareRandom, cpuPerLookup(ctx, s.bare, batch))
	for i := range batch {
		batch[i] = batch[0]
	}
	s.hot = append(s.hot, cpuPerLookup(ctx, s.cache, batch))
}

// cpuPerLookup returns nanoseconds. The digests stand in a row, so that reading them costs
// next to nothing; the first half warms up.
func cpuPerLookup(ctx context.Context, s keysync.Source, batch []keysync.Digest) float64 {
	half := len(batch) / 2
	lookUp(ctx, s, batch[:half])
	began := cpuTime()
	lookUp(ctx, s, batch[half:])
	return float64(cpuTime()-began) / float64(len(batch)-half)
}

func lookUp(ctx context.Context, s keysync.Source, batch []keysync.Digest) {
	for _, d := range batch {
		if rec, err := s.Lookup(ctx, d); rec == nil || err != nil {
			panic("a known key was not found")
		}
	}
}

func reportLookups(ctx context.Context, w io.Writer, s sizes) error {
	subjects := make([]*subject, len(s.keys))
	for i, n := range s.keys {
		var err error
		if subjects[i], err = newSubject(ctx, n); err != nil {
			return err
		}
		defer subjects[i].cache.Close()
	}
	batch := make([]keysync.Digest, s.lookups)
	for range s.rounds {
		for _, sub := range subjects {
			sub.measure(ctx, batch)
		}
	}
	fmt.Fprintf(w, "\n### Look-ups in the cache\n\nCPU time of a look-up that hits: median of %d rounds, in which the sizes take turns. In brackets, the ratio to\n"+
		"the smallest cache: the median of the ratios within a round, and their quartiles. A bare Go map of the same\n"+
		"digests, without locks, order and ages, shows what of the growth is memory that the CPU's caches do not hold.\n\n"+
		"| keys | one hot key | random keys | bare map, random keys | bytes per key |\n|---:|---:|---:|---:|---:|\n", s.rounds)
	first := subjects[0]
	for _, sub := range subjects {
		fmt.Fprintf(w, "| %s | %s | %s | %s | %.0f |\n", grouped(sub.keys), compared(sub.hot, first.hot),
			compared(sub.random, first.random), compared(sub.bareRandom, first.bareRandom), sub.bytes)
	}
	return nil
}

// compared writes the median of the values, and how they compare with others, round by round.
func compared(values, others []float64) string {
	ratios := slices.Clone(values)
	for i := range ratios {
		ratios[i] /= others[i]
	}
	return fmt.Sprintf("%.0f ns (%.2f; %.2f to %.2f)", quantile(values, 0.5), quantile(ratios, 0.5), quantile(ratios, 0.25), quantile(ratios, 0.75))
}

func reportBytes(ctx context.Context, w io.Writer, s sizes) error {
	fmt.Fprintf(w, "\n### Bytes per key\n\nHeap in use after a collection, %s keys in the cache.\n\n| record | bytes per key |\n|---|---:|\n", grouped(s.sample))
	for _, kind := range []struct {
		name   string
		source source
	}{
		{"none (the cache itself)", shared},
		{"key ID, account, a scope", small},
		{"most fields: two scopes, a resource, a limit, two times", large},
	} {
		c, bytes, err := filled(ctx, kind.source, s.sample)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "| %s | %.0f |\n", kind.name, bytes)
		if err := c.Close(); err != nil {
			return err
		}
	}
	return nil
}
