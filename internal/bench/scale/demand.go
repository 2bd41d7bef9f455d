package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/limit"
)

// What package keysync does by default; a test compares with its code.
const (
	cacheSize    = 100_000
	cacheReads   = 200 // per second
	cacheFresh   = 5 * time.Minute
	cacheUnknown = 10 * time.Second
	feedEvery    = time.Second

	refreshAt = 0.8   // of fresh a record in use is read again, on average: 0.7 to 0.9
	renewAt   = 0.625 // of its lifetime a token is renewed, on average: 1/2 to 3/4
)

// What is assumed.
const (
	tokenTTL       = time.Hour // as docs/vault.md sets it up
	requestsPerSec = 1000      // of a gateway
	redisCounter   = 200       // bytes: used_memory of Redis 7.0 grows by 192 to 197 for each
)

// vaultDemand is what one gateway asks of Vault, in requests per second.
type vaultDemand struct{ feed, refreshes, renewals float64 }

// demandOf returns the demand with so many keys in use: used at least once while a record is
// fresh.
func demandOf(keys int) vaultDemand {
	return vaultDemand{
		feed:      1 / feedEvery.Seconds(),
		refreshes: min(float64(keys)/(refreshAt*cacheFresh.Seconds()), cacheReads),
		renewals:  1 / (renewAt * tokenTTL.Seconds()),
	}
}

func (d vaultDemand) total() float64 { return d.feed + d.refreshes + d.renewals }

// most returns the demand when misses use up the cap. To fill an empty cache there may be more.
func (d vaultDemand) most() float64 { return d.feed + cacheReads + d.renewals }

// readAll returns how long it takes to read all keys in use under the cap.
func readAll(keys int) time.Duration {
	return time.Duration(keys) * time.Second / cacheReads
}

// refreshEvery returns how often a record in use is read: later than it should be if the cap
// does not allow for more.
func refreshEvery(keys int) time.Duration {
	return max(time.Duration(refreshAt*float64(cacheFresh)), readAll(keys))
}

func reportDemand(_ context.Context, w io.Writer, _ sizes) error {
	fmt.Fprintf(w, "\n### Vault and Redis, computed\n\nRequests per second to Vault with the default settings: the change feed every %v; keys in use, read again at %.1f of\n"+
		"`fresh` (%v) on average; renewals of a token of %v. Misses come on top: a new key once, an unknown one every %v\n"+
		"while it is tried. Refreshes and misses of a gateway together are at most %d once its cache is full: \"at most\" is under a flood of unknown keys.\n\n"+
		"| gateways | keys in use, each | feed | refreshes | renewals/h | together | at most |\n|---:|---:|---:|---:|---:|---:|---:|\n",
		feedEvery, refreshAt, cacheFresh, tokenTTL, cacheUnknown, cacheReads)
	gateways, keys := []int{10, 100, 1000}, []int{1000, 100_000}
	for _, g := range gateways {
		for _, n := range keys {
			d := demandOf(n)
			fmt.Fprintf(w, "| %s | %s", grouped(g), grouped(n))
			for _, perSecond := range []float64{d.feed, d.refreshes, 3600 * d.renewals, d.total(), d.most()} {
				fmt.Fprintf(w, " | %s", grouped(int(perSecond*float64(g)+0.5)))
			}
			fmt.Fprintln(w, " |")
		}
	}
	fmt.Fprint(w, "\n| keys in use | each is read again every |\n|---:|---:|\n")
	for _, n := range keys {
		fmt.Fprintf(w, "| %s | %v |\n", grouped(n), refreshEvery(n))
	}
	fmt.Fprintf(w, "\nRedis runs one script for each request, whatever the number of its limits, all of them on one node. A counter takes %d\n"+
		"bytes there, until its window ends and for all gateways together: %.1f MB for 1,000 keys with a limit each, %.0f MB for\n"+
		"100,000. In memory a gateway holds at most %s counters of about as many bytes.\n\n"+
		"| gateways, %s requests/s each | scripts/s |\n|---:|---:|\n",
		redisCounter, 1000*redisCounter/1e6, 100_000*redisCounter/1e6, grouped(limit.DefaultSize), grouped(requestsPerSec))
	for _, g := range gateways {
		fmt.Fprintf(w, "| %s | %s |\n", grouped(g), grouped(g*requestsPerSec))
	}
	return nil
}
