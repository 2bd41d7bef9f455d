//go:build linux

package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

// Answers of the small servers.
const (
	okAnswer      = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n"
	knownAnswer   = "HTTP/1.1 200 OK\r\nX-Account: bench\r\nContent-Length: 0\r\n\r\n"
	unknownAnswer = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"
)

// Variables in the environment that make this program one of the small servers.
const (
	roleVariable = "BENCH_ROLE"
	keyVariable  = "BENCH_KEY"
)

// ServeIfAsked is the first call in main: it is where the program goes on that StartBackend and
// StartAuth have started. It returns in all other cases.
func ServeIfAsked() {
	var answer func(*http.Request) string
	switch os.Getenv(roleVariable) {
	case "backend":
		answer = func(*http.Request) string { return okAnswer }
	case "auth":
		key := os.Getenv(keyVariable)
		answer = func(r *http.Request) string {
			if r.Header.Get("X-API-Key") == key {
				return knownAnswer
			}
			return unknownAnswer
		}
	default:
		return
	}
	Main(func(ctx context.Context) error { return listen(ctx, answer) })
	os.Exit(0)
}

// StartBackend runs this program again as a backend that answers every request with "ok", after
// reading its body. It is a process of its own, so that its work is not counted.
func StartBackend(ctx context.Context) (*Process, error) { return startSelf(ctx, "backend", "") }

// StartAuth runs this program again as what people put behind forward_auth: it answers 200 if
// X-API-Key is the one key it knows.
func StartAuth(ctx context.Context, key string) (*Process, error) { return startSelf(ctx, "auth", key) }

func startSelf(ctx context.Context, role, key string) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := newProcess(ctx, []string{roleVariable + "=" + role, keyVariable + "=" + key}, self)
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if _, err := start(p); err != nil {
		return nil, err
	}
	var addr string
	if _, err := fmt.Fscanln(p.stdout, &addr); err != nil {
		p.Stop()
		return nil, fmt.Errorf("reading address of the %s: %w", role, err)
	}
	p.Addrs = []string{addr}
	return p, nil
}

// listen serves until ctx ends. It prints the address it listens on.
func listen(ctx context.Context, answer func(*http.Request) string) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	fmt.Println(listener.Addr())
	for {
		c, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		} else if err != nil {
			return err
		}
		go serve(c, answer)
	}
}

// serve does the least that a server can do for a request: net/http's own takes the CPU twice
// as long, from the proxy that is measured.
func serve(c net.Conn, answer func(*http.Request) string) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		if _, err := io.WriteString(c, answer(r)); err != nil || r.Close {
			return
		}
	}
}
