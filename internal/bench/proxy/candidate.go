//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

// candidate is a server under one kind of load.
type candidate struct {
	name, load string
	server     *rig.Process
	helper     *rig.Process // what the server asks, besides the backend
	request    []byte
	reference  *candidate // what it is compared with
	turns      []turn
}

// turn is what one run has shown.
type turn struct {
	cpu, helper float64 // µs per request
	throughput  float64 // requests/s
	requests    int
}

// table is candidates under the same load. They are compared with the first, or with their reference.
type table struct {
	load       string
	request    []byte
	candidates []*candidate
}

func (t *table) add(name string, server *rig.Process) *candidate {
	c := &candidate{name: name, load: t.load, server: server, request: t.request}
	if len(t.candidates) > 0 {
		c.reference = t.candidates[0]
	}
	t.candidates = append(t.candidates, c)
	return c
}

// keep removes candidates whose name does not have the text, unless others are compared with them.
func (t *table) keep(text string) {
	needed := make(map[*candidate]bool)
	for _, c := range t.candidates {
		if strings.Contains(c.name, text) {
			needed[c], needed[c.reference] = true, true
		}
	}
	t.candidates = slices.DeleteFunc(t.candidates, func(c *candidate) bool { return !needed[c] })
}

// servers starts servers until one fails.
type servers struct {
	rig.Group
	ctx       context.Context
	dir       string
	backend   string // its address
	keys      *rig.Keys
	keyFile   string
	authority *rig.Process // what forward_auth asks
	missing   []string     // what is not installed
	err       error
}

// prepare makes keys and starts what all candidates need.
func (s *servers) prepare() {
	if s.keys, s.err = rig.NewKeys(); s.err != nil {
		return
	}
	if s.keyFile, s.err = s.keys.WriteFile(s.dir); s.err != nil {
		return
	}
	if backend := s.start(rig.StartBackend(s.ctx)); s.err == nil {
		s.backend = backend.Addrs[0]
	}
	if s.err == nil {
		s.authority = s.start(rig.StartAuth(s.ctx, s.keys.Used))
	}
}

// start keeps a server to be stopped. What is not installed is no error: it returns nil.
func (s *servers) start(p *rig.Process, err error) *rig.Process {
	if errors.Is(err, rig.ErrNotInstalled) {
		s.missing = append(s.missing, err.Error())
		return nil
	}
	if p, err = s.Add(p, err); err != nil {
		s.err = err
	}
	return p
}

func (s *servers) caddy(binary, name string, c rig.Caddy) *rig.Process {
	if s.err != nil {
		return nil
	}
	return s.start(rig.StartCaddy(s.ctx, binary, filepath.Join(s.dir, name), c))
}

type startOther func(ctx context.Context, dir, backend string, keys *rig.Keys) (*rig.Process, error)

func (s *servers) other(name string, start startOther) *rig.Process {
	if s.err != nil {
		return nil
	}
	return s.start(start(s.ctx, filepath.Join(s.dir, name), s.backend, s.keys))
}

// forwardAuth is what people do without a gate.
const forwardAuth = `forward_auth %s {
	uri /auth
	copy_headers X-Account
}
request_header -X-API-Key
reverse_proxy %s`

// startTables starts all candidates.
func startTables(s *servers, o options) ([]*table, error) {
	s.prepare()
	if s.err != nil {
		return nil, s.err
	}
	stock, gate := rig.Stock(s.backend), rig.Gate(s.keyFile, s.backend)
	bare := s.caddy(o.stock, "stock", stock)
	shipped := s.caddy(o.gate, "gate", gate)
	alone := s.caddy(o.gate, "alone", rig.Caddy{Site: "ingest_forward " + s.backend})

	header := &table{load: "key in a header", request: rig.GetWithKey(s.keys.Used)}
	header.add("stock Caddy, bare `reverse_proxy`", bare)
	logged := header.add("the same with an access log", s.caddy(o.stock, "stock-log", stock.WithAccessLog()))
	header.add("stock Caddy with `forward_auth`", s.caddy(o.stock, "forward-auth",
		rig.Caddy{Site: fmt.Sprintf(forwardAuth, s.authority.Addrs[0], s.backend)})).helper = s.authority
	header.add("stock Caddy, `respond` without a backend", s.caddy(o.stock, "respond", rig.Caddy{Site: `respond "ok"`}))
	header.add("ingest-auth, `ingest_forward` alone", alone)
	header.add("**ingest-auth, gate**", shipped)
	header.add("**ingest-auth, gate, access log** (to stock Caddy with its log)",
		s.caddy(o.gate, "gate-log", gate.WithAccessLog())).reference = logged
	if p := s.other("nginx", rig.StartNginx); p != nil {
		header.add("nginx, `map` and `limit_req`", p)
	}
	if p := s.other("haproxy", rig.StartHAProxy); p != nil {
		header.add("HAProxy, map and stick table", p)
	}

	body := &table{load: "key in 1 KB JSON", request: rig.PostWithKey(s.keys.Used, 1<<10)}
	body.add("stock Caddy, bare `reverse_proxy`", bare)
	body.add("ingest-auth, `ingest_forward` alone", alone)
	body.add("**ingest-auth, gate**", shipped)
	return []*table{header, body}, s.err
}
