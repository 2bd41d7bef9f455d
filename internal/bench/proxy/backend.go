package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

// serveBackend answers every request with 200 and "ok", after reading its body. It prints
// the address it listens on.
func serveBackend(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listening for the backend: %w", err)
	}
	fmt.Println(listener.Addr())
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_, _ = io.WriteString(w, "ok\n")
		}),
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startBackend runs this program again as the backend, so that its work is not counted.
func startBackend(ctx context.Context) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := startProcess(ctx, nil, self, "-backend")
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fscanln(p.stdout, &p.addr); err != nil {
		p.stop()
		return nil, fmt.Errorf("reading the backend's address: %w", err)
	}
	return p, nil
}
