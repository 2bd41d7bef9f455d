// Scale measures how the product grows: the cache with up to a million keys, many misses of
// one key, a key file of a million records, and memory under a day's churn. It also computes
// what many gateways ask of Vault and Redis. It prints a report in Markdown, and fails if a
// key that many miss at a time is read more than once.
//
// Usage:
//
//	go run ./internal/bench/scale
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
)

// sizes says how much is measured.
type sizes struct {
	keys            []int // in the cache, ascending
	sample          int   // keys that each kind of record is measured with
	rounds, lookups int   // look-ups are per round
	misses, waiting int   // so many misses, with so many goroutines in each
	records         int   // in the key file
	churned         int   // keys in the cache under churn
	hours, reads    int   // reads are per hour
}

func fullSizes() sizes {
	return sizes{
		keys: []int{10_000, 100_000, 1_000_000}, sample: 100_000, rounds: 101, lookups: 1 << 15,
		misses: 100, waiting: 1000, records: 1_000_000,
		churned: cacheSize, hours: 24, reads: cacheReads * 3600,
	}
}

func main() {
	path := flag.String("file", "", "measure this key `file` only (the benchmark starts itself so)")
	flag.Parse()
	var err error
	if *path != "" {
		err = measureFile(*path, os.Stdout)
	} else {
		err = run(context.Background(), os.Stdout, fullSizes())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run measures everything and prints the report section by section.
func run(ctx context.Context, w io.Writer, s sizes) error {
	fmt.Fprintf(w, "%s/%s, %d cores, %s\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	for _, section := range []func(context.Context, io.Writer, sizes) error{
		reportLookups, reportBytes, reportMisses, reportFile, reportChurn, reportDemand,
	} {
		if err := section(ctx, w, s); err != nil {
			return err
		}
	}
	return nil
}
