//go:build linux

package rig

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotInstalled is returned for a server that this machine does not have.
var ErrNotInstalled = errors.New("not installed")

// nginxConfig looks a key up in a map, counts its requests, and passes the account on. Its
// arguments: address, backend, file with the map.
const nginxConfig = `daemon off;
worker_processes auto;
pid nginx.pid;
error_log stderr error;
events {
	worker_connections 1024;
}
http {
	access_log off;
	map_hash_max_size 8192;
	map_hash_bucket_size 128;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	keepalive_requests 100000000;
	limit_req_zone $account zone=accounts:1m rate=1000000r/s;
	map $http_x_api_key $account {
		default "";
		include %[3]s;
	}
	upstream backend {
		server %[2]s;
		keepalive 64;
		keepalive_requests 100000000;
	}
	server {
		listen %[1]s;
		location / {
			if ($account = "") {
				return 401;
			}
			limit_req zone=accounts burst=1000000 nodelay;
			proxy_pass http://backend;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header X-API-Key "";
			proxy_set_header X-Account $account;
		}
	}
}
`

// haproxyConfig does the same with a map file and a stick table.
const haproxyConfig = `global
	log stderr local0 alert
defaults
	mode http
	timeout client 1m
	timeout server 1m
	timeout connect 5s
frontend clients
	bind %[1]s
	http-request set-var(req.account) req.hdr(X-API-Key),map_str(%[3]s)
	http-request deny deny_status 401 unless { var(req.account) -m found }
	stick-table type string len 64 size 100k expire 2m store http_req_rate(1m)
	http-request track-sc0 var(req.account)
	http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }
	http-request del-header X-API-Key
	http-request set-header X-Account %%[var(req.account)]
	default_backend events
backend events
	http-reuse always
	server events %[2]s
`

// StartNginx runs nginx with a home in dir, or returns ErrNotInstalled.
func StartNginx(ctx context.Context, dir, backend string, keys *Keys) (*Process, error) {
	return startOther(ctx, dir, nginxConfig, backend, keys.lines("%q bench;\n"), "nginx", "-p", dir, "-c")
}

// StartHAProxy runs HAProxy with a home in dir, or returns ErrNotInstalled.
func StartHAProxy(ctx context.Context, dir, backend string, keys *Keys) (*Process, error) {
	return startOther(ctx, dir, haproxyConfig, backend, keys.lines("%s bench\n"), "haproxy", "-db", "-f")
}

// startOther runs a program with a configuration, whose path is the last argument.
func startOther(ctx context.Context, dir, config, backend, table, program string, args ...string) (*Process, error) {
	if _, err := exec.LookPath(program); err != nil {
		return nil, fmt.Errorf("%s: %w", program, ErrNotInstalled)
	}
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	tablePath := filepath.Join(dir, "keys.map")
	path, err := newHome(dir, "config", fmt.Appendf(nil, config, addr, backend, tablePath))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(tablePath, []byte(table), 0o600); err != nil {
		return nil, err
	}
	// nginx gives its workers another user when it is started by root.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	p, err := Start(ctx, nil, program, append(args, path)...)
	if err != nil {
		return nil, err
	}
	p.Addrs = []string{addr}
	return p, p.Ready(ctx)
}

// lines writes every key with a format.
func (k *Keys) lines(format string) string {
	var b strings.Builder
	for _, key := range k.all {
		fmt.Fprintf(&b, format, key)
	}
	return b.String()
}
