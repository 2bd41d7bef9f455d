//go:build linux

// Growth measures what grows with the load: CPU time per request and latency with more
// connections, larger bodies, more limits and more gates, next to stock Caddy. Requests come at
// fixed times, at half of the rate that the slower of the two can do. It prints a table in
// Markdown, row by row.
//
// Usage, after both binaries are built:
//
//	go run ./internal/bench/growth [-short] [-rounds 5] [-duration 2s]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/load"
	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

type options struct {
	rounds      int
	duration    time.Duration // of a candidate's turn
	stock, gate string        // binaries
}

// calibration is how long a candidate is asked how much it can do.
const calibration = 1500 * time.Millisecond

// atOnce is how many requests are on their way in calibration.
const atOnce = 32

func main() {
	rig.ServeIfAsked()
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how often either candidate has its turn")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "how long a turn is")
	flag.StringVar(&o.stock, "stock", "bin/stockcaddy", "Caddy without the gate")
	flag.StringVar(&o.gate, "gate", "bin/ingest-auth", "Caddy with the gate")
	short := flag.Bool("short", false, "one round of one second, to see that it works")
	flag.Parse()
	if *short {
		o.rounds, o.duration = 1, time.Second
	}
	rig.Main(func(ctx context.Context) error { return run(ctx, o) })
}

// run measures every row. One that fails is said, and the others are measured all the same.
func run(ctx context.Context, o options) error {
	if err := rig.WarnIfBusy(os.Stderr); err != nil {
		return err
	}
	keys, err := rig.NewKeys()
	if err != nil {
		return err
	}
	writeHead(os.Stdout, o)
	var failures []error
	for i, r := range rows(keys.Used) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		fmt.Fprintf(os.Stderr, "%d of %d: %s\n", i+1, len(rows(keys.Used)), r.name)
		if err := measureRow(ctx, o, os.Stdout, r, keys); err != nil {
			err = fmt.Errorf("%s: %w", r.name, err)
			fmt.Fprintln(os.Stderr, err)
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// measureRow starts both candidates anew, so that a row owes nothing to those before.
func measureRow(ctx context.Context, o options, w io.Writer, r row, keys *rig.Keys) error {
	dir, err := os.MkdirTemp("", "bench-growth-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	var group rig.Group
	defer group.Stop()
	stock, gate, err := r.start(ctx, o, &group, dir, keys)
	if err != nil {
		return err
	}
	time.Sleep(rig.HeapFloorTime)
	rate, err := r.halfLoad(ctx, stock, gate)
	if err != nil {
		return err
	}
	for round := range o.rounds {
		pair := []*candidate{stock, gate}
		for i := range pair {
			if err := r.turn(ctx, pair[(round+i)%2], rate, o.duration); err != nil {
				return err
			}
		}
	}
	return writeRow(w, r.name, rate, stock, gate)
}

// start starts a backend, stock Caddy, and the gate.
func (r row) start(ctx context.Context, o options, group *rig.Group, dir string, keys *rig.Keys) (stock, gate *candidate, err error) {
	keyFile, err := keys.WriteFile(dir)
	if err != nil {
		return nil, nil, err
	}
	backend, err := group.Add(rig.StartBackend(ctx))
	if err != nil {
		return nil, nil, err
	}
	plain := rig.Stock(backend.Addrs[0])
	guarded := rig.GateWith(keyFile, r.limits, "ingest_forward "+backend.Addrs[0])
	plain.Sites, guarded.Sites = r.gates, r.gates
	stock, gate = new(candidate), new(candidate)
	if stock.server, err = group.Add(rig.StartCaddy(ctx, o.stock, filepath.Join(dir, "stock"), plain)); err != nil {
		return nil, nil, err
	}
	gate.server, err = group.Add(rig.StartCaddy(ctx, o.gate, filepath.Join(dir, "gate"), guarded))
	return stock, gate, err
}

// candidate is a server and what was measured on it.
type candidate struct {
	server        *rig.Process
	cpu, p50, p99 []float64 // µs/request, ms, ms
}

// dial opens the connections of a row, and uses each once. They are opened for a turn only, so that
// not both candidates have them: thousands are as much as a process may open.
func (r row) dial(ctx context.Context, c *candidate) (*load.Generator, error) {
	g, err := load.Dial(c.server.Addrs, r.connections, r.request)
	if err != nil {
		return nil, err
	}
	if err := g.Each(ctx, atOnce); err != nil {
		g.Close()
		return nil, errors.Join(err, c.server.Alive())
	}
	return g, nil
}

// halfLoad returns half of what the slower candidate can do.
func (r row) halfLoad(ctx context.Context, candidates ...*candidate) (rate float64, err error) {
	for i, c := range candidates {
		most, err := r.most(ctx, c)
		if err != nil {
			return 0, err
		}
		if i == 0 || most/2 < rate {
			rate = most / 2
		}
	}
	return rate, nil
}

// most returns how many requests a candidate can do in a second.
func (r row) most(ctx context.Context, c *candidate) (float64, error) {
	g, err := r.dial(ctx, c)
	if err != nil {
		return 0, err
	}
	defer g.Close()
	if _, err := g.Closed(ctx, atOnce, calibration/2); err != nil { // to warm up
		return 0, err
	}
	result, err := g.Closed(ctx, atOnce, calibration)
	return result.Throughput, err
}

// turn measures a candidate once.
func (r row) turn(ctx context.Context, c *candidate, rate float64, duration time.Duration) error {
	g, err := r.dial(ctx, c)
	if err != nil {
		return err
	}
	defer g.Close()
	before, err := c.server.CPUTime()
	if err != nil {
		return err
	}
	result, err := g.Open(ctx, rate, duration)
	if err != nil {
		return errors.Join(err, c.server.Alive())
	}
	after, err := c.server.CPUTime()
	if err != nil {
		return err
	}
	c.cpu = append(c.cpu, float64((after-before).Microseconds())/float64(result.Requests))
	c.p50 = append(c.p50, result.P50.Seconds()*1000)
	c.p99 = append(c.p99, result.P99.Seconds()*1000)
	return nil
}
