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
	name       string
	references []*candidate // what it is compared with
	server     *process
	script     string // for wrk
	turns      []turn
}

// Caddyfiles, with the addresses of the proxy and the backend. Nothing is logged but errors.
const (
	stockCaddyfile = `{
	admin off
	log {
		level ERROR
	}
}
http://%[1]s {
	reverse_proxy %[2]s
}
`
	leanBareCaddyfile = `{
	admin off
	log {
		level ERROR
	}
}
http://%[1]s {
	ingest_forward %[2]s
}
`
	gateHead = `{
	admin %[4]s
	log {
		level ERROR
		format redact_keys
	}
	ingest_auth {
		keys file %[3]s
	}
}
http://%[1]s {
	ingest_auth {
		limit 100000000/1m by key
	}
`
	gateCaddyfile = gateHead + `	reverse_proxy %[2]s
}
`
	leanCaddyfile = gateHead + `	ingest_forward %[2]s
}
`
)

// startCandidates starts stock Caddy, our binary as a bare proxy, our binary with a gate, and
// nginx if it is there, and returns what is measured on them.
func startCandidates(ctx context.Context, o options, dir, backend string) (all []*candidate, err error) {
	s := &servers{ctx: ctx, dir: dir, backend: backend}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	if s.key, s.keys, err = writeKeys(dir); err != nil {
		return nil, err
	}
	stock := s.caddy(o.stock, "stock", stockCaddyfile)
	bare := s.caddy(o.gate, "bare", stockCaddyfile)
	gate := s.caddy(o.gate, "gate", gateCaddyfile)
	leanBare := s.caddy(o.gate, "lean-bare", leanBareCaddyfile)
	lean := s.caddy(o.gate, "lean", leanCaddyfile)
	nginx := s.nginx()
	if s.err != nil {
		return nil, s.err
	}
	header, body, err := writeScripts(dir, s.key)
	if err != nil {
		return nil, err
	}
	for _, load := range []struct{ key, script string }{{"key in a header", header}, {"key in 1 KB JSON", body}} {
		a := &candidate{name: "stock Caddy, bare, " + load.key, server: stock, script: load.script}
		b := &candidate{name: "bare, " + load.key, server: bare, script: load.script, references: []*candidate{a}}
		c := &candidate{name: "gate, " + load.key, server: gate, script: load.script, references: []*candidate{a, b}}
		d := &candidate{name: "bare, ingest_forward, " + load.key, server: leanBare, script: load.script, references: []*candidate{a, b}}
		e := &candidate{name: "gate, ingest_forward, " + load.key, server: lean, script: load.script, references: []*candidate{a, d}}
		all = append(all, a, b, c, d, e)
	}
	if nginx != nil {
		all = append(all, &candidate{name: "nginx, map of keys, key in a header", server: nginx, script: header, references: all[:1]})
	}
	return all, nil
}

// servers starts servers until one fails.
type servers struct {
	ctx                     context.Context
	dir, backend, key, keys string
	running                 []*process
	err                     error
}

func (s *servers) stop() {
	for _, p := range s.running {
		p.stop()
	}
}

func (s *servers) started(p *process, err error) *process {
	if s.err = err; err == nil {
		s.running = append(s.running, p)
	}
	return p
}

// caddy runs binary with a Caddyfile, with a home of its own.
func (s *servers) caddy(binary, name, caddyfile string) *process {
	if s.err != nil {
		return nil
	}
	return s.started(startCaddy(s.ctx, binary, filepath.Join(s.dir, name), caddyfile, s.backend, s.keys, "off"))
}

// startCaddy runs binary with a Caddyfile, with a home of its own in dir.
func startCaddy(ctx context.Context, binary, dir, caddyfile, backend, keys, admin string) (*process, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(config, fmt.Appendf(nil, caddyfile, addr, backend, keys, admin), 0o600); err != nil {
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

// records is how many records the key file has.
const records = 1000

// writeKeys makes a key and writes a key file in which it is one of many.
func writeKeys(dir string) (key, path string, err error) {
	if key, err = keysync.NewKey(keysync.ModeLive); err != nil {
		return "", "", err
	}
	all := make([]map[string]string, records)
	for i := range all {
		digest := keysync.DigestOf(fmt.Append(nil, "another key ", i))
		if i == records/2 {
			digest = keysync.DigestOf([]byte(key))
		}
		all[i] = map[string]string{"digest": digest.String(), "key_id": fmt.Sprint("key_", i), "account": "bench", "mode": keysync.ModeLive}
	}
	content, err := json.Marshal(map[string]any{"keys": all})
	if err != nil {
		return "", "", err
	}
	path = filepath.Join(dir, "keys.json")
	return key, path, os.WriteFile(path, content, 0o600)
}
