package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// candidate is a server under one kind of load.
type candidate struct {
	name      string
	reference *candidate // what it is compared with
	server    *process
	script    string // for wrk
	turns     []turn
}

// Caddyfiles, with the addresses of the proxy and the backend. Nothing is logged but errors.
const (
	bareCaddyfile = `{
	admin off
	log {
		level ERROR
	}
}
http://%[1]s {
	reverse_proxy %[2]s
}
`
	gateCaddyfile = `{
	admin off
	log {
		level ERROR
		format redact_keys
	}
	ingest_auth {
		keys file %[3]s
	}
}
http://%[1]s {
	ingest_auth
	reverse_proxy %[2]s
}
`
)

// startCandidates starts stock Caddy, our binary as a bare proxy, and our binary with a gate,
// and returns what is measured on them.
func startCandidates(ctx context.Context, o options, dir, backend string) (all []*candidate, err error) {
	var running []*process
	defer func() {
		if err != nil {
			for _, p := range running {
				p.stop()
			}
		}
	}()
	key, keys, err := writeKeys(dir)
	if err != nil {
		return nil, err
	}
	start := func(binary, name, caddyfile string) *process {
		if err != nil {
			return nil
		}
		var p *process
		if p, err = startCaddy(ctx, binary, filepath.Join(dir, name), caddyfile, backend, keys); err == nil {
			running = append(running, p)
		}
		return p
	}
	stock := start(o.stock, "stock", bareCaddyfile)
	bare := start(o.gate, "bare", bareCaddyfile)
	gate := start(o.gate, "gate", gateCaddyfile)
	if err != nil {
		return nil, err
	}
	header, body, err := writeScripts(dir, key)
	if err != nil {
		return nil, err
	}
	a := &candidate{name: "stock Caddy, bare", server: stock, script: header}
	b := &candidate{name: "ingest-auth, bare", server: bare, script: header, reference: a}
	c := &candidate{name: "ingest-auth, gate, key in a header", server: gate, script: header, reference: b}
	d0 := &candidate{name: "ingest-auth, bare, 1 KB JSON", server: bare, script: body}
	d := &candidate{name: "ingest-auth, gate, key in 1 KB JSON", server: gate, script: body, reference: d0}
	return []*candidate{a, b, c, d0, d}, nil
}

// startCaddy runs binary with a Caddyfile, with a home of its own in dir.
func startCaddy(ctx context.Context, binary, dir, caddyfile, backend, keys string) (*process, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, caddyfile, addr, backend, keys), 0o600); err != nil {
		return nil, err
	}
	env := []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}
	p, err := startProcess(ctx, env, binary, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	p.addr = addr
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

func stopAll(candidates []*candidate) {
	for _, c := range candidates {
		c.server.stop()
	}
}

// writeKeys makes a key and writes a key file for it.
func writeKeys(dir string) (key, path string, err error) {
	if key, err = keysync.NewKey(keysync.ModeLive); err != nil {
		return "", "", err
	}
	content, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"digest":  keysync.DigestOf([]byte(key)).String(),
		"key_id":  "key_bench",
		"account": "bench",
		"mode":    keysync.ModeLive,
	}}})
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, "keys.json")
	return key, path, os.WriteFile(path, content, 0o600)
}
