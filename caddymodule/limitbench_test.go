package caddymodule_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

const (
	benchRounds  = 7 // of each kind, alternating
	benchClients = 64
	benchTime    = time.Second
)

// BenchmarkLimitsThroughput compares whole requests, from a client through the
// gate to a backend and back, with limits in Redis and in memory. Client, gate
// and backend share the process and with Redis the machine. It alternates
// between the two and reports the medians, and the median of the ratios of
// neighbours.
func BenchmarkLimitsThroughput(b *testing.B) {
	redis := redistest.Start(b)
	upstream := quietUpstream(b)
	kinds := []*benchKind{
		newBenchKind(b, upstream, "memory"),
		newBenchKind(b, upstream, "redis://"+redis.Addr()),
	}
	kinds[0].gate.Run(b, kinds[0].config)
	var ratios []float64
	for b.Loop() {
		for range benchRounds {
			memory, redis := kinds[0].round(b), kinds[1].round(b)
			ratios = append(ratios, redis/memory)
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(median(kinds[0].perSecond), "memory-req/s")
	b.ReportMetric(median(kinds[1].perSecond), "redis-req/s")
	b.ReportMetric(median(ratios), "redis/memory")
}

// benchKind is one of the two that are compared. Each has a port of its own.
type benchKind struct {
	gate      *gatetest.Gate
	config    string
	perSecond []float64
}

func newBenchKind(b *testing.B, upstream, counters string) *benchKind {
	b.Helper()
	g := gatetest.New(b, gatetest.Vars{"upstream": upstream})
	g.Write(b, "keys.json", gatetest.Keys(limited()))
	return &benchKind{gate: g, config: `{
	auto_https off
	ingest_auth {
		keys file {{dir}}/keys.json
		counters ` + counters + `
	}
	log {
		output discard
		format redact_keys
	}
}
:{{gate}} {
	ingest_auth {
		limit 999999999/1d by key
		limit 999999999/1m by ip route
	}
	reverse_proxy {{upstream}}
}
`}
}

// round returns how many requests were answered a second, after warming up. Until
// then connections may be reset, as they are while Caddy hands over to another
// configuration.
func (k *benchKind) round(b *testing.B) float64 {
	b.Helper()
	if err := k.gate.Load(k.config); err != nil {
		b.Fatal(err)
	}
	_, _ = load(k.gate.Addr, benchTime/5)
	n, err := load(k.gate.Addr, benchTime)
	if err != nil {
		b.Fatal(err)
	}
	k.perSecond = append(k.perSecond, n)
	return n
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// quietUpstream starts a backend that remembers nothing.
func quietUpstream(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "ok")
	})}
	go func() { _ = srv.Serve(ln) }()
	b.Cleanup(func() { _ = srv.Close() })
	return ln.Addr().String()
}

// load sends requests for a while, and returns how many were answered a second.
func load(addr string, d time.Duration) (perSecond float64, err error) {
	var wg sync.WaitGroup
	counts, errs := make([]int, benchClients), make([]error, benchClients)
	began := time.Now()
	for i := range counts {
		wg.Go(func() { counts[i], errs[i] = requests(addr, began.Add(d)) })
	}
	wg.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(began).Seconds(), errors.Join(errs...)
}

// requests sends one request after the other over one connection. It is less
// work than http.Client, so that more of the time is the gate's.
func requests(addr string, end time.Time) (n int, err error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	request := []byte("GET / HTTP/1.1\r\nHost: gate\r\nX-Api-Key: " + keyA + "\r\n\r\n")
	r := bufio.NewReader(conn)
	for ; time.Now().Before(end); n++ {
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		if err := skipResponse(r); err != nil {
			return n, err
		}
	}
	return n, nil
}

// skipResponse reads a response, which must be 200 and counted.
func skipResponse(r *bufio.Reader) error {
	length, counted := 0, false
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !strings.HasPrefix(string(line), "HTTP/1.1 200 "):
			return fmt.Errorf("response %q", line)
		case len(line) == 2 && !counted:
			return fmt.Errorf("response without X-RateLimit-Limit")
		case len(line) == 2:
			_, err := r.Discard(length)
			return err
		}
		if value, ok := strings.CutPrefix(string(line), "Content-Length: "); ok {
			length, _ = strconv.Atoi(strings.TrimSpace(value))
		}
		counted = counted || strings.HasPrefix(string(line), "X-Ratelimit-Limit: ")
	}
}
