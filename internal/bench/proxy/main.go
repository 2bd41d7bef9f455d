// Proxy measures what the gate costs, next to the same proxy without it: CPU time per
// request, throughput and latency under the load of wrk, in several rounds in which the
// candidates take turns, so that all see the same noise. It prints a table in Markdown.
//
// Usage, after both binaries are built:
//
//	go run ./internal/bench/proxy [-rounds 5] [-duration 5s] [-connections 32]
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

type options struct {
	rounds      int
	duration    time.Duration // of one candidate's turn
	warmup      time.Duration
	connections int
	stock, gate string // binaries
}

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often every candidate has its turn")
	flag.DurationVar(&o.duration, "duration", 5*time.Second, "how long a turn is, in whole seconds")
	flag.DurationVar(&o.warmup, "warmup", 2*time.Second, "how long every candidate is loaded before the first round")
	flag.IntVar(&o.connections, "connections", 32, "connections that wrk keeps open")
	flag.StringVar(&o.stock, "stock", "bin/stockcaddy", "Caddy without the gate")
	flag.StringVar(&o.gate, "gate", "bin/ingest-auth", "Caddy with the gate")
	profile := flag.String("profile", "", "write profiles of the gate under load to this `directory`, and measure nothing else")
	footprints := flag.Bool("footprint", false, "measure size, start and idle memory instead of load")
	backend := flag.Bool("backend", false, "be the backend (the benchmark starts itself so)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *backend:
		err = serveBackend(ctx)
	case *profile != "":
		err = writeProfiles(ctx, o, *profile)
	case *footprints:
		err = measureFootprints(ctx, o, os.Stdout, "127.0.0.1:9")
	default:
		err = run(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run starts everything, measures, and prints the report.
func run(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "bench-proxy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	backend, err := startBackend(ctx)
	if err != nil {
		return err
	}
	defer backend.stop()
	candidates, err := startCandidates(ctx, o, dir, backend.addr)
	if err != nil {
		return err
	}
	defer stopAll(candidates)

	if err := measureAll(ctx, o, candidates); err != nil {
		return err
	}
	return writeReport(os.Stdout, o, describeMachine(ctx), candidates)
}

// measureAll gives every candidate its turns. Each round begins with another candidate.
func measureAll(ctx context.Context, o options, candidates []*candidate) error {
	for _, c := range candidates {
		if _, err := c.measure(ctx, o.warmup, o.connections); err != nil {
			return err
		}
	}
	for round := range o.rounds {
		for i := range candidates {
			c := candidates[(round+i)%len(candidates)]
			turn, err := c.measure(ctx, o.duration, o.connections)
			if err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "round %d of %d, %s: %.1f µs, %.0f requests/s\n",
				round+1, o.rounds, c.name, turn.cpu, turn.throughput)
			c.turns = append(c.turns, turn)
		}
	}
	return nil
}
