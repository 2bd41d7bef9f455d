//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

const (
	floodSize    = 1e6 // bytes of a body
	floodClients = 64  // more than any buffer_memory has room for
)

// answers is how often each status came.
type answers map[int]int

// flooded sends c more large bodies at once than it may hold, and notes what it needed.
func (c *candidate) flooded(ctx context.Context, duration time.Duration, key string) error {
	w, err := watch(c.server)
	if err != nil {
		return err
	}
	c.answers = flood(ctx, c.server.Addrs[0], rig.PostWithKey(key, floodSize), duration)
	if c.flood, err = w.end(); err != nil {
		return err
	}
	if c.answers[http.StatusOK] == 0 {
		return errors.Join(fmt.Errorf("%s: no body of the flood came through: %v", c.name, c.answers), c.server.Alive())
	}
	return nil
}

// flood has clients send the request for some time, each on a connection that it opens anew when
// it is closed. They send slowly enough that their bodies are all there at the same time.
func flood(ctx context.Context, addr string, request []byte, duration time.Duration) answers {
	ctx, cancel := context.WithTimeout(ctx, duration)
	defer cancel()
	all := make(answers)
	var mu sync.Mutex
	var clients sync.WaitGroup
	for range floodClients {
		clients.Go(func() {
			for ctx.Err() == nil {
				status := floodOnce(ctx, addr, request)
				if ctx.Err() == nil { // else it may have been cut off
					mu.Lock()
					all[status]++
					mu.Unlock()
				}
			}
		})
	}
	clients.Wait()
	return all
}

// floodOnce returns the status of the answer, 0 if there is none.
func floodOnce(ctx context.Context, addr string, request []byte) int {
	c, err := net.DialTimeout("tcp", addr, 5*time.Second)
	if err != nil {
		return 0
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	last := len(request) - 1000
	go func() {
		_, _ = io.Copy(c, bytes.NewReader(request[:last]))
		time.Sleep(50 * time.Millisecond) // nearly all of it is there, and held
		_, _ = c.Write(request[last:])
	}()
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
