package caddymodule_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// await waits until a condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waiting for %s: timed out", what)
		}
	}
}

// slowUpload is a body of 65,000 bytes of which the last 5,000 are to come.
type slowUpload struct {
	conn net.Conn
	rest string
}

func beginUpload(t *testing.T, g *gatetest.Gate) slowUpload {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(120 * time.Second))
	body := `{"a":"` + strings.Repeat("x", 65_000-8) + `"}`
	if _, err := io.WriteString(conn, raw("POST /", withKey, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))+body[:60_000]); err != nil {
		t.Fatal(err)
	}
	return slowUpload{conn, body[60_000:]}
}

// end sends the rest and returns the response.
func (u slowUpload) end(t *testing.T) *http.Response {
	t.Helper()
	_, _ = io.WriteString(u.conn, u.rest)
	resp, err := http.ReadResponse(bufio.NewReader(u.conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func refusedSoFar(t *testing.T, g *gatetest.Gate) int {
	t.Helper()
	log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(log, []byte(`"request refused"`))
}

// TestSlowUploads holds 2,000 uploads of 64 KB open at once.
func TestSlowUploads(t *testing.T) {
	const uploads, memory, each = 2000, 8 << 20, 64 << 10
	g, up := startLimits(t, "buffer_memory 8MiB", "", nil)
	stop, highest := make(chan bool), make(chan int64)
	go func() {
		most := int64(0)
		for {
			select {
			case <-stop:
				highest <- most
				return
			default:
				most = max(most, caddymodule.BufferedBytes())
				time.Sleep(time.Millisecond)
			}
		}
	}()
	open := make([]slowUpload, uploads)
	for i := range open {
		open[i] = beginUpload(t, g)
	}
	await(t, "all but those that fit to be refused", func() bool { return refusedSoFar(t, g) == uploads-memory/each })
	if held := caddymodule.BufferedBytes(); held != memory {
		t.Errorf("%d bytes are held, want %d", held, memory)
	}
	// Whoever needs no memory is served, whoever does is not.
	wantStatus(t, g, get("/", keyA), 200)
	resp := wantStatus(t, g, postJSON("/", keyA, `{}`), 503)
	if resp.Header.Get("Retry-After") != "5" || !strings.Contains(resp.Body, `"code":"unavailable"`) {
		t.Errorf("%v %s", resp.Header, resp.Body)
	}
	statuses := make(map[int]int)
	for _, u := range open {
		statuses[u.end(t).StatusCode]++
	}
	if statuses[200] != memory/each || statuses[503] != uploads-memory/each {
		t.Errorf("statuses %v", statuses)
	}
	await(t, "all memory to be given back", func() bool { return caddymodule.BufferedBytes() == 0 })
	wantStatus(t, g, postJSON("/", keyA, `{}`), 200)
	close(stop)
	if most := <-highest; most > memory {
		t.Errorf("%d bytes were held at a time, want at most %d", most, memory)
	}
	up.Take()
}

// TestBufferMemoryIsGivenBack takes requests through every way out of the gate.
func TestBufferMemoryIsGivenBack(t *testing.T) {
	up := gatetest.NewUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/aborted" {
			w.Header().Set("Content-Length", "10000")
			_, _ = io.WriteString(w, "short")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	})
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(limited()))
	g.Run(t, withApp("buffer_memory 1MiB")+`:{{gate}} {
	log
	ingest_auth {
		require all a
		limit 30/`+year+` by key
		max_decoded 128KiB
		max_ratio 100000
	}
	error /error 500
	reverse_proxy /down 127.0.0.1:1
	reverse_proxy {{upstream}}
	handle_errors {
		respond "{http.request.body}" 500
	}
}
`)
	body := `{"a":"` + strings.Repeat("x", 100_000) + `"}`
	zipped := postJSON("/", keyA, string(gzipped([]byte(body))))
	zipped.Header.Set("Content-Encoding", "gzip")
	bomb := postJSON("/", keyA, string(gzipped([]byte(strings.Repeat(body, 5)))))
	bomb.Header.Set("Content-Encoding", "gzip")
	// Each takes 128 KiB, so one that is kept would be in the way of the ninth.
	for range 3 {
		for _, tc := range []struct {
			name string
			req  gatetest.Request
			want int
		}{
			{"passed on", postJSON("/", keyA, body), 200},
			{"decoded", zipped, 200},
			{"upstream down", postJSON("/down", keyA, body), 500},
			{"error of a later handler", postJSON("/error", keyA, body), 500},
			{"refused for its fields", postJSON("/", keyA, strings.Replace(body, `"a"`, `"b"`, 1)), 400},
			{"malformed", postJSON("/", keyA, body[:50_000]), 400},
			{"zip bomb", bomb, 413},
			{"no key", postJSON("/", "unknown", body), 401},
		} {
			wantStatus(t, g, tc.req, tc.want)
		}
		if _, err := g.Try(postJSON("/aborted", keyA, body)); err == nil {
			t.Error("the response of an upstream that breaks off was whole")
		}
	}
	for range 20 {
		g.Do(t, postJSON("/", keyA, body)) // until the limit is reached, and beyond
	}
	wantStatus(t, g, postJSON("/", keyA, body), 429)
	await(t, "all memory to be given back", func() bool { return caddymodule.BufferedBytes() == 0 })
}
