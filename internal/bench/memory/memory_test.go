//go:build linux

package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

func TestReport(t *testing.T) {
	stock := &candidate{name: "stock", header: []float64{100, 200, 300}, body: []float64{10, 10, 10}, loaded: need{61, 20, 5}}
	gate := &candidate{
		name: "gate", limit: 64, header: []float64{50, 120, 150}, body: []float64{5, 6, 7}, loaded: need{80, 30, 10},
		flood: need{90, 55.2, 10}, answers: answers{200: 7, 503: 99},
	}
	var out bytes.Buffer
	if err := writeReport(&out, options{rounds: 3, duration: time.Second, connections: 32}, []*candidate{stock, gate}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| stock | 200.0 | 1.00 (1.00 to 1.00) | 10.0 | 1.00 (1.00 to 1.00) | 61 | 25 |  |  |\n",
		"| gate | 120.0 | 0.50 (0.50 to 0.55) | 6.0 | 0.60 (0.55 to 0.65) | 80 | 40 | 90 | 65 (TOO MUCH) |\n",
		"- gate: answers map[200:7 503:99]\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestMemoryLimit: figures are those of docs/kubernetes.md.
func TestMemoryLimit(t *testing.T) {
	for mib, want := range map[int]string{64: "GOMEMLIMIT=50331648", 128: "GOMEMLIMIT=117440512", 256: "GOMEMLIMIT=241591905"} {
		if got := memoryLimit(mib); got != want {
			t.Errorf("%d: %s, want %s", mib, got, want)
		}
	}
}

// TestFlood: whatever the answer, it is counted, but not what the end of the flood has cut off.
func TestFlood(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var requests atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if requests.Add(1) == 2*floodClients {
			cancel()
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	defer s.Close()
	got := flood(ctx, s.Listener.Addr().String(), rig.PostWithKey("key", 5000), time.Minute)
	if got[http.StatusServiceUnavailable] == 0 || len(got) != 1 {
		t.Errorf("got %v", got)
	}
}
