//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

// profileTime is how long the profile is taken, under each kind of load for the same part of it.
const profileTime = 20 * time.Second

// writeProfile takes a CPU profile of the gate under load and writes it to path.
func writeProfile(ctx context.Context, o options, path, kind string) error {
	dir, err := os.MkdirTemp("", "bench-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &servers{ctx: ctx, dir: dir}
	defer s.Stop()
	if s.prepare(); s.err != nil {
		return s.err
	}
	requests, err := requestsOf(kind, s.keys.Used)
	if err != nil {
		return err
	}
	config := rig.Gate(s.keyFile, s.backend)
	if config.Admin, err = rig.FreeAddr(ctx); err != nil {
		return err
	}
	gate := s.caddy(o.gate, "gate", config)
	if s.err != nil {
		return s.err
	}
	time.Sleep(rig.HeapFloorTime)
	fetched := make(chan error, 1)
	go func() { fetched <- fetchProfile(ctx, config.Admin, path) }()
	for _, request := range requests {
		c := &candidate{name: "gate", server: gate, request: request}
		t, err := c.measure(ctx, profileTime/time.Duration(len(requests)), o.connections)
		if err != nil {
			return err
		}
		fmt.Fprintf(os.Stderr, "%.1f µs/request while profiled, %.0f requests/s\n", t.cpu, t.throughput)
	}
	return <-fetched
}

func requestsOf(kind, key string) ([][]byte, error) {
	header, body := rig.GetWithKey(key), rig.PostWithKey(key, 1<<10)
	switch kind {
	case "header":
		return [][]byte{header}, nil
	case "body":
		return [][]byte{body}, nil
	case "both":
		return [][]byte{header, body}, nil
	default:
		return nil, fmt.Errorf("-load %s: write header, body or both", kind)
	}
}

func fetchProfile(ctx context.Context, admin, path string) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, int(profileTime.Seconds()))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("fetching profile: %s", resp.Status)
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, resp.Body); err != nil {
		return err
	}
	return f.Close()
}
