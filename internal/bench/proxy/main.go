//go:build linux

// Proxy measures what the gate costs, next to other proxies: CPU time per request and throughput
// under load, in several rounds in which the candidates take turns, so that all see the same
// noise. It prints a table in Markdown.
//
// Usage, after both binaries are built:
//
//	go run ./internal/bench/proxy [-short] [-rounds 7] [-duration 4s] [-connections 32]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/load"
	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

type options struct {
	rounds      int
	duration    time.Duration // of one candidate's turn
	connections int
	stock, gate string // binaries
	only        string // in the name of a candidate
}

func main() {
	rig.ServeIfAsked()
	var o options
	flag.IntVar(&o.rounds, "rounds", 7, "how often every candidate has its turn")
	flag.DurationVar(&o.duration, "duration", 4*time.Second, "how long a turn is")
	flag.IntVar(&o.connections, "connections", 32, "connections that are kept open")
	flag.StringVar(&o.stock, "stock", "bin/stockcaddy", "Caddy without the gate")
	flag.StringVar(&o.gate, "gate", "bin/ingest-auth", "Caddy with the gate")
	flag.StringVar(&o.only, "only", "", "measure only candidates whose name has this `text`, and what they are compared with")
	short := flag.Bool("short", false, "three rounds of one second, to see that it works")
	profile := flag.String("profile", "", "write profiles of the gate under load to this `directory`, and measure nothing else")
	footprints := flag.Bool("footprint", false, "measure size, start and idle memory instead of load")
	flag.Parse()
	if *short {
		o.rounds, o.duration = 3, time.Second
	}
	rig.Main(func(ctx context.Context) error {
		switch {
		case *profile != "":
			return writeProfiles(ctx, o, *profile)
		case *footprints:
			return measureFootprints(ctx, o, os.Stdout)
		}
		return run(ctx, o)
	})
}

// run starts everything, measures, and prints the report.
func run(ctx context.Context, o options) error {
	if err := rig.WarnIfBusy(os.Stderr); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-proxy-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &servers{ctx: ctx, dir: dir}
	defer s.Stop()
	tables, err := startTables(s, o)
	if err != nil {
		return err
	}
	for _, t := range tables {
		t.keep(o.only)
	}
	time.Sleep(rig.HeapFloorTime)
	var all []*candidate
	for _, t := range tables {
		all = append(all, t.candidates...)
	}
	if err := measureAll(ctx, o, all); err != nil {
		return err
	}
	return writeReport(os.Stdout, o, rig.DescribeMachine(), s.missing, tables)
}

// measureAll gives every candidate its turns. Each round begins with another candidate.
func measureAll(ctx context.Context, o options, candidates []*candidate) error {
	for _, c := range candidates {
		if _, err := c.measure(ctx, time.Second, o.connections); err != nil { // to warm up
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
			fmt.Fprintf(os.Stderr, "round %d of %d, %s, %s: %.1f µs, %.0f requests/s\n",
				round+1, o.rounds, c.load, strings.ReplaceAll(c.name, "*", ""), turn.cpu, turn.throughput)
			c.turns = append(c.turns, turn)
		}
	}
	return nil
}

// measure loads c for as long as duration says.
func (c *candidate) measure(ctx context.Context, duration time.Duration, connections int) (turn, error) {
	g, err := load.Dial(c.server.Addrs, connections, c.request)
	if err != nil {
		return turn{}, fmt.Errorf("%s: %w", c.name, err)
	}
	defer g.Close()
	used, err := c.cpuTimes()
	if err != nil {
		return turn{}, err
	}
	result, err := g.Closed(ctx, connections, duration)
	if err != nil {
		return turn{}, fmt.Errorf("%s: %w", c.name, errors.Join(err, c.server.Alive()))
	}
	after, err := c.cpuTimes()
	if err != nil {
		return turn{}, err
	}
	n := float64(result.Requests)
	return turn{
		cpu:        float64((after.server - used.server).Microseconds()) / n,
		helper:     float64((after.helper - used.helper).Microseconds()) / n,
		throughput: result.Throughput,
		requests:   result.Requests,
	}, nil
}

// cpuTimes are those of a candidate's processes.
type cpuTimes struct{ server, helper time.Duration }

func (c *candidate) cpuTimes() (t cpuTimes, err error) {
	if t.server, err = c.server.CPUTime(); err != nil || c.helper == nil {
		return t, err
	}
	t.helper, err = c.helper.CPUTime()
	return t, err
}
