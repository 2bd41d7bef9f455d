package caddymodule_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/caddymodule"
	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// slowUpload is a body of 65,000 bytes of which the last 5,000 have not arrived.
type slowUpload struct {
	conn net.Conn
	rest string
}

// needFiles skips a test that opens more files at a time than this process may.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err == nil && limit.Cur < n {
		t.Skipf("needs %d open files, the limit is %d (ulimit -n)", n, limit.Cur)
	}
}

// sendOpen opens a connection and sends the beginning of a request.
func sendOpen(t *testing.T, g *gatetest.Gate, beginning string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(120 * time.Second))
	if _, err := io.WriteString(conn, beginning); err != nil {
		t.Fatal(err)
	}
	return conn
}

// beginUpload begins one with the lines in its head.
func beginUpload(t *testing.T, g *gatetest.Gate, lines ...string) slowUpload {
	t.Helper()
	body := `{"token":"` + keyA + `","a":"` + strings.Repeat("x", 65_000-18-len(keyA)) + `"}`
	head := raw("POST /", append(lines, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))...)
	return slowUpload{sendOpen(t, g, head+body[:60_000]), body[60_000:]}
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

// refusals returns a function that says how many requests were refused so far. It reads on
// in the log from where it was.
func refusals(t *testing.T, g *gatetest.Gate) func() int64 {
	t.Helper()
	log, err := os.Open(filepath.Join(g.Dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	var n, at int64
	return func() int64 {
		added, err := io.ReadAll(io.NewSectionReader(log, at, 1<<40))
		if err != nil {
			t.Fatal(err)
		}
		whole := added[:bytes.LastIndexByte(added, '\n')+1]
		n += int64(bytes.Count(whole, []byte(`"request refused"`)))
		at += int64(len(whole))
		return n
	}
}

// inBody is a request whose key, if it has one, is in the body.
func inBody(body string) gatetest.Request {
	return gatetest.Request{Target: "/", Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
}

// mostHeld looks how much memory bodies take, until it is asked for the most it has seen.
func mostHeld() (most func() int64) {
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
	return func() int64 { close(stop); return <-highest }
}

// TestSlowUploads holds hundreds of uploads of 64 KB open at once, many times what there is
// memory for. All that are to be served before them are served, each time.
func TestSlowUploads(t *testing.T) {
	const memory, each = 8 << 20, 64 << 10
	uploads := drill.Size[int64](400, 2000)
	small, large := `{"a":"`+strings.Repeat("x", 3000)+`"}`, `{"a":"`+strings.Repeat("x", 30_000)+`"}`
	for _, tc := range []struct {
		name   string
		lines  []string // in the head of an upload
		most   int64    // bytes that uploads may take
		served []gatetest.Request
	}{
		{
			"key in the body", nil, memory/2 - memory/8,
			[]gatetest.Request{postJSON("/", keyA, small), postJSON("/", keyA, large), inBody(`{"token":"` + keyA + `"}`)},
		},
		{"key in the head", []string{withKey}, memory - memory/8, []gatetest.Request{postJSON("/", keyA, small)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g, _ := startLimits(t, "buffer_memory 8MiB", "credential header X-API-Key\ncredential bearer\ncredential body token", nil)
			most, refused := mostHeld(), refusals(t, g)
			open := make([]slowUpload, uploads)
			for i := range open {
				open[i] = beginUpload(t, g, tc.lines...)
			}
			await.That(t, "all uploads to be held or refused", func() bool {
				held := caddymodule.BufferedBytes()
				return held > tc.most/2 && held/each+refused() == uploads && held%each == 0
			})
			held := caddymodule.BufferedBytes()
			for range drill.Size(10, 50) {
				for _, req := range tc.served {
					wantStatus(t, g, req, 200)
				}
				wantStatus(t, g, get("/", keyA), 200)
			}
			resp := wantStatus(t, g, inBody(`{"token":"`+keyA+`","a":"`+strings.Repeat("x", 900_000)+`"}`), 503)
			if resp.Header.Get("Retry-After") != "5" || !strings.Contains(resp.Body, `"code":"unavailable"`) {
				t.Errorf("%v %s", resp.Header, resp.Body)
			}
			statuses := make(map[int]int64)
			for _, u := range open {
				statuses[u.end(t).StatusCode]++
			}
			if statuses[200] != held/each || statuses[503] != uploads-held/each {
				t.Errorf("statuses %v, %d bytes were held", statuses, held)
			}
			await.That(t, "all memory to be given back", func() bool { return caddymodule.BufferedBytes() == 0 })
			if most := most(); most > memory {
				t.Errorf("%d bytes were held at a time", most)
			}
		})
	}
}

// TestHeadsWithoutBodies has more clients than there is memory for announce bodies and send
// nothing of them, or next to nothing: what nobody has vouched for keeps no memory from a request with a good key in its
// head, in a gate that enforces as in one that reports.
func TestHeadsWithoutBodies(t *testing.T) {
	mib := drill.Size[int64](2, 8)
	memory := mib << 20
	for _, tc := range []struct {
		name, settings string
		clients        int64
		sent           string // of each body
		held           int64
	}{
		{"nothing", "", mib * 525, "", 0},
		{"one byte", "", mib * 525, "{", memory / 2},
		{"one byte to a gate that reports", "enforce off", mib * 190, "{", memory / 2}, // which passes on the others
	} {
		t.Run(tc.name, func(t *testing.T) {
			needFiles(t, 9000)
			g, _ := startLimits(t, fmt.Sprintf("buffer_memory %dMiB", mib), tc.settings, nil)
			refused := refusals(t, g)
			for range tc.clients {
				sendOpen(t, g, raw("POST /", "Content-Type: application/json", "Content-Length: 65535")+tc.sent)
			}
			await.That(t, "all heads to be read", func() bool {
				return tc.settings != "" || caddymodule.BodiesBeingRead()+refused() >= tc.clients
			})
			await.That(t, "what was sent to be held", func() bool { return caddymodule.BufferedBytes() >= tc.held-8<<10 })
			for range drill.Size(10, 50) {
				for _, size := range []int{1, 3000, 60_000, drill.Size(250_000, 1_000_000)} {
					wantStatus(t, g, postJSON("/", keyA, `{"a":"`+strings.Repeat("x", size)+`"}`), 200)
				}
			}
			if held := caddymodule.BufferedBytes(); held > tc.held {
				t.Errorf("%d bytes are held, want at most %d", held, tc.held)
			}
		})
	}
}

// TestInFlightCountsSlowBodies: a key whose bodies do not come takes as much as in_flight lets
// it, and other keys are served.
func TestInFlightCountsSlowBodies(t *testing.T) {
	g, _ := startLimits(t, "buffer_memory 1MiB", "in_flight 3 by key", nil)
	var open []slowUpload
	for range 3 {
		open = append(open, beginUpload(t, g, withKey))
	}
	await.That(t, "the bodies to be held", func() bool { return caddymodule.BufferedBytes() == 3*64<<10 })
	wantStatus(t, g, postJSON("/", keyA, `{}`), 429)
	wantStatus(t, g, inBody(`{"token":"`+keyA+`"}`), 429)
	wantStatus(t, g, postJSON("/", keyB, `{}`), 200)
	for _, u := range open {
		if resp := u.end(t); resp.StatusCode != http.StatusOK {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	wantStatus(t, g, postJSON("/", keyA, `{}`), 200)
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
	await.That(t, "all memory to be given back", func() bool { return caddymodule.BufferedBytes() == 0 })
}

// TestDefaultBufferMemory: bodies alone cannot fill a small container.
func TestDefaultBufferMemory(t *testing.T) {
	for limit, want := range map[int64]config.Size{
		math.MaxInt64: 0, 4 << 30: 0, 2 << 30: 0, 2<<30 - 8: 256<<20 - 1, 230 << 20: 230 << 17, 48 << 20: 6 << 20, 4 << 20: 1 << 20,
	} {
		if got := caddymodule.DefaultBufferMemory(limit); got != want {
			t.Errorf("memory limit %d: %d bytes, want %d", limit, got, want)
		}
	}
}
