package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// profileTime is how long the profile is taken, under either kind of load for half of it.
const profileTime = 40 * time.Second

// writeProfile takes a CPU profile of the gate under load and writes it to path: what
// profile-guided optimisation builds on.
func writeProfile(ctx context.Context, o options, path string, lean bool) error {
	dir, err := os.MkdirTemp("", "bench-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	backend, err := startBackend(ctx)
	if err != nil {
		return err
	}
	defer backend.stop()
	key, keys, err := writeKeys(dir)
	if err != nil {
		return err
	}
	admin, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	caddyfile := gateCaddyfile
	if lean {
		caddyfile = leanCaddyfile
	}
	gate, err := startCaddy(ctx, o.gate, filepath.Join(dir, "gate"), caddyfile, backend.addr, keys, admin)
	if err != nil {
		return err
	}
	defer gate.stop()
	header, body, err := writeScripts(dir, key)
	if err != nil {
		return err
	}
	fetched := make(chan error, 1)
	go func() { fetched <- fetchProfile(ctx, admin, path) }()
	for _, script := range []string{header, body} {
		c := &candidate{server: gate, script: script}
		if _, err := c.measure(ctx, profileTime/2, o.connections); err != nil {
			return err
		}
	}
	return <-fetched
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
