package caddymodule

import (
	"fmt"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/redis"
)

// parseApp reads the global option. Syntax:
//
//	ingest_auth {
//	    keys file <path>
//	    keys vault {
//	        address     <url>
//	        mount       <path>
//	        prefix      <path>
//	        namespace   <name>
//	        ca_cert     <file>
//	        client_cert <file> <key-file>
//	        server_name <name>
//	        timeout     <duration>
//	        auth        token [{env.NAME}|{file.PATH}]
//	        auth        token_file <file>
//	        auth        approle <role-id> <secret-id-file>|{env.NAME} [wrapped]
//	        auth        kubernetes <role> [<token-file>]
//	        auth_mount  <path>
//	    }
//	    cache {
//	        size     <n>
//	        fresh    <duration>
//	        unknown  <duration>
//	        outage   <duration>
//	        reads    <n>
//	        snapshot <duration>
//	    }
//	    counters memory
//	    counters <redis-url>|{env.NAME}|{file.PATH} {
//	        ca_cert     <file>
//	        client_cert <file> <key-file>
//	        server_name <name>
//	        timeout     <duration>
//	        on_error    memory|allow|deny
//	    }
//	    buffer_memory <size>
//	    sign {
//	        header    <name>
//	        algorithm EdDSA|ES256|HS256
//	        secret    {env.NAME}|{file.PATH}
//	        issuer    <text>
//	        audience  <text>
//	        ttl       <duration>
//	        rotate    <duration>
//	    }
//	    metrics per_key
//	    recent_events on|off
//	    log_check on|off
//	}
func parseApp(d *caddyfile.Dispenser, existing any) (any, error) {
	a := new(App)
	d.Next() // consume option name
	if existing != nil {
		return nil, d.Err("ingest_auth: the global option is given twice")
	}
	if d.NextArg() {
		return nil, d.ArgErr()
	}
	if err := a.subdirectives().parse(d, globalBlock, a.Validate); err != nil {
		return nil, err
	}
	return httpcaddyfile.App{Name: appID, Value: caddyconfig.JSON(a, nil)}, nil
}

func (a *App) subdirectives() subdirectives {
	return subdirectives{
		"keys":          func(d *caddyfile.Dispenser) error { return parseKeys(d, a) },
		"cache":         func(d *caddyfile.Dispenser) error { return parseCache(d, a) },
		"sign":          func(d *caddyfile.Dispenser) error { return parseSign(d, a) },
		"counters":      func(d *caddyfile.Dispenser) error { return parseCounters(d, a) },
		"buffer_memory": parsedArg(&a.BufferMemory, config.ParseSize),
		"metrics":       func(d *caddyfile.Dispenser) error { return parseMetrics(d, &a.Metrics) },
		"recent_events": stringArg(&a.RecentEvents),
		"log_check":     stringArg(&a.LogCheck),
	}
}

func parseCache(d *caddyfile.Dispenser, a *App) error {
	if d.NextArg() {
		return d.Err("cache: takes a block, not an argument")
	}
	c := &a.Cache
	return subdirectives{
		"size":     parsedArg(&c.Size, parseCount),
		"fresh":    parsedArg(&c.Fresh, config.ParseDuration),
		"unknown":  parsedArg(&c.Unknown, config.ParseDuration),
		"outage":   parsedArg(&c.Outage, config.ParseDuration),
		"reads":    parsedArg(&c.Reads, parseCount),
		"snapshot": parsedArg(&c.Snapshot, config.ParseDuration),
	}.parse(d, "cache", a.Validate)
}

// parseCounters reads where limits count. Syntax:
//
//	counters memory
//	counters <redis-url>|{env.NAME}|{file.PATH} {
//	    ca_cert     <file>
//	    client_cert <file> <key-file>
//	    server_name <name>
//	    timeout     <duration>
//	    on_error    memory|allow|deny
//	}
func parseCounters(d *caddyfile.Dispenser, a *App) error {
	c := &a.Counters
	if c.Store != "" {
		return d.Err("counters: is given twice")
	}
	var where string
	if !d.Args(&where) || where == "" || d.NextArg() {
		return d.Err("counters: write `memory`, a URL such as redis://localhost:6379, or {env.NAME} or {file.PATH} that holds one")
	}
	c.Store = "memory"
	if where != "memory" {
		c.Store, c.URL = "redis", where
	}
	if err := checkCounters(a); err != nil {
		return d.WrapErr(err)
	}
	return subdirectives{
		"ca_cert":     stringArg(&c.CACert),
		"client_cert": clientCertArgs(&c.ClientCert, &c.ClientKey),
		"server_name": stringArg(&c.ServerName),
		"timeout":     parsedArg(&c.Timeout, config.ParseDuration),
		"on_error":    stringArg(&c.OnError),
	}.parse(d, "counters", a.Validate)
}

// checkCounters checks the counters, and the URL if it is in the configuration itself.
func checkCounters(a *App) error {
	if err := a.Validate(); err != nil || a.Counters.URL == "" || config.IsPlaceholder(a.Counters.URL) {
		return err
	}
	if err := redis.CheckURL(a.Counters.URL); err != nil {
		return fmt.Errorf("counters: %w", err)
	}
	return nil
}

func parseSign(d *caddyfile.Dispenser, a *App) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	s := &a.Sign
	return subdirectives{
		"header":    stringArg(&s.Header),
		"algorithm": stringArg(&s.Algorithm),
		"secret":    stringArg(&s.Secret),
		"issuer":    stringArg(&s.Issuer),
		"audience":  stringArg(&s.Audience),
		"ttl":       parsedArg(&s.TTL, config.ParseDuration),
		"rotate":    parsedArg(&s.Rotate, config.ParseDuration),
	}.parse(d, "sign", a.Validate)
}

// parseMetrics reads what to count.
func parseMetrics(d *caddyfile.Dispenser, m *config.Metrics) error {
	for _, name := range d.RemainingArgs() {
		if name != "per_key" {
			return d.Errf("metrics: %q is unknown; write `metrics per_key`", name)
		}
		m.PerKey = true
	}
	if !m.PerKey {
		return d.Err("metrics: takes one argument; write `metrics per_key`")
	}
	return nil
}
