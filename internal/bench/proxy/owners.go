//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
)

// owner is whose code a function is.
type owner struct{ name, prefix string }

// owners are all of them; the first one that fits counts.
var owners = []owner{
	{"our forwarding", "github.com/ingestauth/caddy-ingest-auth/internal/wire."},
	{"our forwarding", "github.com/ingestauth/caddy-ingest-auth/caddymodule/forward."},
	{"the gate", "github.com/ingestauth/caddy-ingest-auth/"},
	{"Caddy", "github.com/caddyserver/caddy/"},
	{"net/http", "net/http."},
	{"other modules", ""},
}

// ownedFrames are the functions that a profile is shared out to. What the rest of Go's
// library and the runtime do counts for the function that called them.
const ownedFrames = `^(net/http\.|[a-z0-9.-]+\.[a-z]+/)`

// printOwners says whose code a profile was spent in.
func printOwners(ctx context.Context, title, path, index string) error {
	out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=10000", "-nodefraction=0",
		"-sample_index="+index, "-show="+ownedFrames, path).Output()
	if err != nil {
		return fmt.Errorf("reading profile %s: %w", path, err)
	}
	shares, err := sharesOf(string(out))
	if err != nil {
		return fmt.Errorf("reading profile %s: %w", path, err)
	}
	fmt.Printf("%s, by whose code it is:\n", title)
	rest := 100.0
	for _, o := range owners {
		if share, ok := shares[o.name]; ok {
			fmt.Printf("  %5.1f%% %s\n", share, o.name)
			rest -= share
			delete(shares, o.name)
		}
	}
	fmt.Printf("  %5.1f%% nobody's: the scheduler, garbage collection\n\n", rest)
	return nil
}

// sharesOf adds up what pprof -top prints: flat, flat%, sum%, cum, cum%, function.
func sharesOf(top string) (map[string]float64, error) {
	_, table, ok := strings.Cut(top, "cum%\n")
	if !ok {
		return nil, fmt.Errorf("no table in what pprof printed: %q", top)
	}
	shares := make(map[string]float64)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 6 {
			continue
		}
		percent, err := strconv.ParseFloat(strings.TrimSuffix(fields[1], "%"), 64)
		if err != nil {
			return nil, fmt.Errorf("share in %q: %w", line, err)
		}
		shares[ownerOf(fields[5])] += percent
	}
	return shares, nil
}

func ownerOf(function string) string {
	for _, o := range owners {
		if strings.HasPrefix(function, o.prefix) {
			return o.name
		}
	}
	return ""
}
