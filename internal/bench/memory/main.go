//go:build linux

// Memory measures what memory buys: CPU time per request and resident memory for several sizes
// that the heap may grow to before it is collected (internal/heapfloor), and under the memory
// limits that containers have, next to stock Caddy. Then it floods every gate with more bodies than
// its memory has room for. It prints a table in Markdown.
//
// Usage, after the binaries are built:
//
//	go run ./internal/bench/memory [-short] [-rounds 5] [-duration 2s]
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/load"
	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

type options struct {
	rounds      int
	duration    time.Duration // of a candidate's turn
	flood       time.Duration
	connections int
	stock, gate string // binaries
	floors      string // a binary whose floor can be chosen
}

func main() {
	rig.ServeIfAsked()
	o := options{flood: 5 * time.Second}
	flag.IntVar(&o.rounds, "rounds", 5, "how often every candidate has its turn")
	flag.DurationVar(&o.duration, "duration", 2*time.Second, "how long a turn is")
	flag.IntVar(&o.connections, "connections", 32, "connections that are kept open")
	flag.StringVar(&o.stock, "stock", "bin/stockcaddy", "Caddy without the gate")
	flag.StringVar(&o.gate, "gate", "bin/ingest-auth", "Caddy with the gate")
	flag.StringVar(&o.floors, "floors", "bin/floorcaddy", "Caddy with the gate and a floor that can be chosen")
	short := flag.Bool("short", false, "one round of one second, to see that it works")
	flag.Parse()
	if *short {
		o.rounds, o.duration, o.flood = 1, time.Second, 2*time.Second
	}
	rig.Main(func(ctx context.Context) error { return run(ctx, o) })
}

// run starts everything, measures, and prints the report.
func run(ctx context.Context, o options) error {
	if err := rig.WarnIfBusy(os.Stderr); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench-memory-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	keys, err := rig.NewKeys()
	if err != nil {
		return err
	}
	var group rig.Group
	defer group.Stop()
	all, err := startAll(ctx, o, &group, dir, keys)
	if err != nil {
		return err
	}
	time.Sleep(rig.HeapFloorTime)
	if err := measureAll(ctx, o, all, keys.Used); err != nil {
		return err
	}
	for _, c := range all[1:] { // stock Caddy does not hold bodies
		if err := c.flooded(ctx, o.flood, keys.Used); err != nil {
			return err
		}
	}
	return writeReport(os.Stdout, o, all)
}

// candidate is a server with a floor or a limit.
type candidate struct {
	name         string
	server       *rig.Process
	limit        float64   // MiB, 0 for none
	header, body []float64 // CPU µs/request, with the key in a header, and in 1 KB of JSON
	loaded       need      // after that
	flood        need
	answers      answers // to the flood
}

// setting is how a gate runs.
type setting struct {
	name   string
	floor  int    // MiB, 0 for that of the binary
	limit  int    // MiB of the container, 0 for none
	buffer string // buffer_memory
}

// settings are the floors to choose from, and containers with the floor as it is.
var settings = []setting{
	{name: "floor 8 MiB", floor: 8, buffer: "16MiB"},
	{name: "floor 16 MiB", floor: 16, buffer: "16MiB"},
	{name: "floor 32 MiB", floor: 32, buffer: "16MiB"},
	{name: "floor 64 MiB", floor: 64, buffer: "16MiB"},
	{name: "container of 64 MiB, `buffer_memory 8MiB`", limit: 64, buffer: "8MiB"},
	{name: "container of 128 MiB, `buffer_memory 32MiB`", limit: 128, buffer: "32MiB"},
	{name: "container of 256 MiB, `buffer_memory 64MiB`", limit: 256, buffer: "64MiB"},
}

// memoryLimit is what the binary tells Go in a container with a limit (internal/heapfloor).
func memoryLimit(mib int) string {
	return fmt.Sprintf("GOMEMLIMIT=%d", min(mib<<20/10*9, (mib-16)<<20))
}

func startAll(ctx context.Context, o options, group *rig.Group, dir string, keys *rig.Keys) ([]*candidate, error) {
	keyFile, err := keys.WriteFile(dir)
	if err != nil {
		return nil, err
	}
	backend, err := group.Add(rig.StartBackend(ctx))
	if err != nil {
		return nil, err
	}
	stock, err := group.Add(rig.StartCaddy(ctx, o.stock, filepath.Join(dir, "stock"), rig.Stock(backend.Addrs[0])))
	if err != nil {
		return nil, err
	}
	all := []*candidate{{name: "stock Caddy, bare", server: stock}}
	for i, s := range settings {
		config := rig.Gate(keyFile, backend.Addrs[0])
		config.Global = "ingest_auth {\n\tkeys file " + keyFile + "\n\tbuffer_memory " + s.buffer + "\n}"
		var env []string
		binary := o.gate
		if s.floor > 0 {
			binary = o.floors
			env = append(env, fmt.Sprintf("BENCH_HEAP_FLOOR=%d", s.floor<<20))
		}
		if s.limit > 0 {
			env = append(env, memoryLimit(s.limit))
		}
		p, err := group.Add(rig.StartCaddy(ctx, binary, filepath.Join(dir, fmt.Sprint("gate", i)), config, env...))
		if err != nil {
			return nil, err
		}
		all = append(all, &candidate{name: s.name, server: p, limit: float64(s.limit)})
	}
	return all, nil
}

// measureAll gives every candidate its turns. Each round begins with another candidate.
func measureAll(ctx context.Context, o options, all []*candidate, key string) error {
	header, body := rig.GetWithKey(key), rig.PostWithKey(key, 1<<10)
	for round := range o.rounds {
		for i := range all {
			c := all[(round+i)%len(all)]
			for _, l := range []struct {
				request []byte
				cpu     *[]float64
			}{{header, &c.header}, {body, &c.body}} {
				used, err := c.turn(ctx, l.request, o)
				if err != nil {
					return fmt.Errorf("%s: %w", c.name, errors.Join(err, c.server.Alive()))
				}
				*l.cpu = append(*l.cpu, used)
			}
			fmt.Fprintf(os.Stderr, "round %d of %d, %s: %.1f and %.1f µs\n", round+1, o.rounds, c.name, c.header[round], c.body[round])
		}
	}
	return nil
}

// turn loads a candidate and returns what a request took. Its memory is that after the last turn.
func (c *candidate) turn(ctx context.Context, request []byte, o options) (float64, error) {
	g, err := load.Dial(c.server.Addrs, o.connections, request)
	if err != nil {
		return 0, err
	}
	defer g.Close()
	if _, err := g.Closed(ctx, o.connections, o.duration/4); err != nil { // to warm up
		return 0, err
	}
	w, err := watch(c.server)
	if err != nil {
		return 0, err
	}
	before, err := c.server.CPUTime()
	if err != nil {
		return 0, err
	}
	result, err := g.Closed(ctx, o.connections, o.duration)
	if err != nil {
		return 0, err
	}
	after, err := c.server.CPUTime()
	if err != nil {
		return 0, err
	}
	c.loaded, err = w.end()
	return float64((after - before).Microseconds()) / float64(result.Requests), err
}
