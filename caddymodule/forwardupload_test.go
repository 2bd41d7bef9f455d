package caddymodule_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// lateUpload is a request body that does not come in time.
type lateUpload struct {
	path    string // which says through which directive
	proto   int    // HTTP/1 or 2
	size    int64  // what was announced
	trickle bool   // a byte at a time, else nothing after the first part
}

// TestForwardUploadTimeouts has a client whose body does not come within the server's
// time-outs, in both sizes: those that ingest_forward reads before it sends the request, and
// those that go through reverse_proxy. The client gets the answer that it gets
// through reverse_proxy, without having to send the rest, and the backend never takes a part of a
// body for all of it.
func TestForwardUploadTimeouts(t *testing.T) {
	for _, timeouts := range []string{"read_body 300ms", "read_body_idle 300ms", "read_body_idle 300ms 65536"} {
		t.Run(timeouts, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := gatetest.New(t, nil)
			g.Run(t, fmt.Sprintf(`{
				servers {
					protocols h1 h2c
					timeouts {
						%s
					}
				}
			}
			:{{gate}} {
				handle /http {
					reverse_proxy %[2]s
				}
				handle /ingest {
					ingest_forward %[2]s
				}
			}
			`, timeouts, up.Addr))
			var all sync.WaitGroup
			for _, trickle := range []bool{false, true} {
				if trickle && timeouts == "read_body_idle 300ms" {
					continue // which allows it
				}
				for _, size := range []int64{2_000, 60_000, 100_000} {
					for _, proto := range []int{1, 2} {
						all.Go(func() {
							want := lateUpload{"/http", proto, size, trickle}.send(t, g.Addr)
							got := lateUpload{"/ingest", proto, size, trickle}.send(t, g.Addr)
							if got != want {
								t.Errorf("HTTP/%d, %d bytes, trickle %t: status %d, through reverse_proxy %d", proto, size, trickle, got, want)
							}
						})
					}
				}
			}
			all.Wait()
			for _, seen := range up.Take() {
				if seen.BodyErr == nil {
					t.Errorf("%s: the backend got %d bytes for a whole body", seen.URI, len(seen.Body))
				}
			}
		})
	}
}

// send sends a first part of the body, and then what u says until there is an answer, whose
// status it returns.
func (u lateUpload) send(t *testing.T, gate string) int {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	body, w := io.Pipe()
	defer body.Close()
	go func() {
		_, err := w.Write(make([]byte, 1024))
		for every := time.NewTicker(25 * time.Millisecond); err == nil && u.trickle; <-every.C {
			_, err = w.Write([]byte("x"))
		}
	}()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+gate+u.path, body)
	if err != nil {
		t.Error(err)
		return 0
	}
	r.ContentLength = u.size
	client := &http.Transport{Protocols: new(http.Protocols)}
	client.Protocols.SetHTTP1(u.proto == 1)
	client.Protocols.SetUnencryptedHTTP2(u.proto == 2)
	defer client.CloseIdleConnections()
	res, err := client.RoundTrip(r)
	if err != nil {
		t.Errorf("%+v: no answer: %v", u, err)
		return 0
	}
	defer res.Body.Close()
	if res.StatusCode == 499 { // what Caddy makes of the same, if it hears of it from the context first
		return http.StatusGatewayTimeout
	}
	return res.StatusCode
}
