//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

// profileTime is how long each kind of load is profiled.
const profileTime = 10 * time.Second

// profiler takes profiles of a gate under load, into a directory.
type profiler struct {
	options

	dir   string // for the profiles
	gate  *rig.Process
	admin string // address of the gate's admin API
}

// writeProfiles loads a gate with either kind of load, writes profiles of its CPU time and
// of its allocations to dir, and says what a request allocates.
func writeProfiles(ctx context.Context, o options, dir string) error {
	temp, err := os.MkdirTemp("", "bench-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	s := &servers{ctx: ctx, dir: temp}
	defer s.Stop()
	if s.prepare(); s.err != nil {
		return s.err
	}
	config := rig.Gate(s.keyFile, s.backend)
	if config.Admin, err = rig.FreeAddr(ctx); err != nil {
		return err
	}
	p := &profiler{options: o, dir: dir, admin: config.Admin}
	if p.gate = s.caddy(o.gate, "gate", config); s.err != nil {
		return s.err
	}
	time.Sleep(rig.HeapFloorTime)
	return errors.Join(
		p.profile(ctx, "header", rig.GetWithKey(s.keys.Used)),
		p.profile(ctx, "body", rig.PostWithKey(s.keys.Used, 1<<10)))
}

// profile profiles the gate under one kind of load.
func (p *profiler) profile(ctx context.Context, name string, request []byte) error {
	c := &candidate{name: "gate", server: p.gate, request: request}
	if _, err := c.measure(ctx, time.Second, p.connections); err != nil { // to warm up
		return err
	}
	before, err := p.memory(ctx)
	if err != nil {
		return err
	}
	cpu, allocs := filepath.Join(p.dir, name+"-cpu.pprof"), filepath.Join(p.dir, name+"-allocs.pprof")
	fetched := make(chan error, 2)
	go func() { fetched <- p.fetch(ctx, "profile", cpu) }()
	go func() { fetched <- p.fetch(ctx, "allocs", allocs) }()
	load, err := c.measure(ctx, profileTime, p.connections)
	if err = errors.Join(err, <-fetched, <-fetched); err != nil {
		return err
	}
	after, err := p.memory(ctx)
	if err != nil {
		return err
	}
	requests := float64(load.requests)
	fmt.Printf("key in a %s: %.0f requests/s, %.1f µs of CPU time, %.1f allocations and %.0f bytes a request\n\n", name, load.throughput, load.cpu,
		float64(after.Mallocs-before.Mallocs)/requests, float64(after.TotalAlloc-before.TotalAlloc)/requests)
	return errors.Join(printOwners(ctx, "CPU time", cpu, "cpu"), printOwners(ctx, "allocations", allocs, "alloc_objects"))
}

// memory is what the gate has allocated since it was started.
type memory struct{ Mallocs, TotalAlloc uint64 }

func (p *profiler) memory(ctx context.Context) (memory, error) {
	var vars struct {
		Memstats memory `json:"memstats"`
	}
	content, err := p.get(ctx, "vars")
	if err != nil {
		return memory{}, err
	}
	return vars.Memstats, json.Unmarshal(content, &vars)
}

// fetch takes one of Go's profiles while the gate is under load.
func (p *profiler) fetch(ctx context.Context, profile, path string) error {
	content, err := p.get(ctx, fmt.Sprintf("pprof/%s?seconds=%d", profile, int(profileTime.Seconds())))
	if err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func (p *profiler) get(ctx context.Context, what string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.admin+"/debug/"+what, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetching %s from the gate: %s", what, resp.Status)
	}
	return io.ReadAll(resp.Body)
}
