package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// nginxConfig looks a key up in a map and passes the account on, in one process whose CPU
// time can be read. Its arguments: address, backend, key.
const nginxConfig = `daemon off;
master_process off;
pid nginx.pid;
error_log stderr error;
events {
	worker_connections 1024;
}
http {
	access_log off;
	map_hash_bucket_size 128;
	client_body_temp_path body;
	proxy_temp_path proxy;
	fastcgi_temp_path fastcgi;
	uwsgi_temp_path uwsgi;
	scgi_temp_path scgi;
	map $http_x_api_key $account {
		default "";
		%[3]q bench;
	}
	upstream backend {
		server %[2]s;
		keepalive 64;
	}
	server {
		listen %[1]s;
		location / {
			if ($account = "") {
				return 401;
			}
			proxy_pass http://backend;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header X-API-Key "";
			proxy_set_header X-Account $account;
		}
	}
}
`

// nginx runs nginx, the limit of what a proxy can cost. It returns nil if there is none.
func (s *servers) nginx() *process {
	if s.err != nil {
		return nil
	}
	if _, err := exec.LookPath("nginx"); err != nil {
		fmt.Fprintln(os.Stderr, "without nginx: it is not installed")
		return nil
	}
	return s.started(startNginx(s.ctx, filepath.Join(s.dir, "nginx"), s.backend, s.key))
}

func startNginx(ctx context.Context, dir, backend, key string) (*process, error) {
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, addr, backend, key), 0o600); err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, nil, "nginx", "-p", dir, "-c", config)
	if err != nil {
		return nil, err
	}
	p.addr = addr
	return p, p.ready(ctx)
}
