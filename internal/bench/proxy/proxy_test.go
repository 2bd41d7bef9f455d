package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"
	"time"
)

func TestParseCPUTime(t *testing.T) {
	tests := []struct {
		name, stat string
		want       time.Duration
		fails      bool
	}{
		{"plain", "1 (caddy) S 0 1 1 0 -1 4 0 0 0 0 120 35 0 0 20 0 9", 1550 * time.Millisecond, false},
		{"odd name", "1 (a) b 9) S 0 1 1 0 -1 4 0 0 0 0 100 1 0", 1010 * time.Millisecond, false},
		{"short", "1 (caddy) S 0", 0, true},
		{"no number", "1 (caddy) S 0 1 1 0 -1 4 0 0 0 0 x 35 0", 0, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseCPUTime(tt.stat)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestCPUTimeOfThisProcess(t *testing.T) {
	stat, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		t.Skip("no /proc")
	}
	if _, err := parseCPUTime(string(stat)); err != nil {
		t.Error(err)
	}
}

func TestParseResult(t *testing.T) {
	tests := []struct {
		name, out string
		want      turn
		fails     bool
	}{
		{"good", "Running 5s test\nRESULT 20000 5000000 1500 9250 0\n", turn{cpu: 50, throughput: 4000, p50: 1.5, p99: 9.25, requests: 20000}, false},
		{"failed requests", "RESULT 20000 5000000 1500 9250 1\n", turn{}, true},
		{"nothing done", "RESULT 0 5000000 0 0 0\n", turn{}, true},
		{"no line", "unable to connect", turn{}, true},
		{"cut off", "RESULT 20000 5000000", turn{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseResult(tt.out, time.Second)
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestMedian(t *testing.T) {
	for _, tt := range []struct {
		values []float64
		want   float64
	}{
		{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 9, 2}, 3},
	} {
		if got := median(tt.values); got != tt.want {
			t.Errorf("median(%v) = %v, want %v", tt.values, got, tt.want)
		}
	}
}

func TestEventHasOneKiB(t *testing.T) {
	event, err := eventWithKey("iak_test_key")
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ Token string }
	if err := json.Unmarshal(event, &got); err != nil || got.Token != "iak_test_key" || len(event) != 1024 {
		t.Errorf("%d bytes, token %q, %v", len(event), got.Token, err)
	}
}

func TestReport(t *testing.T) {
	bare := &candidate{name: "bare", turns: []turn{{100, 1000, 1, 2, 0}, {200, 3000, 3, 4, 0}, {300, 2000, 2, 9, 0}}}
	gate := &candidate{name: "gate", references: []*candidate{bare}, turns: []turn{{110, 900, 1, 2, 0}, {210, 900, 1, 2, 0}, {303, 900, 1, 2, 0}}}
	var out bytes.Buffer
	o := options{rounds: 3, duration: 5 * time.Second, connections: 32}
	if err := writeReport(&out, o, "a machine", []*candidate{bare, gate}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a machine\n", "3 rounds of 5s", "32 connections",
		"| bare | 200.0 | 2000 | 2.00 | 4.00 |  |\n",
		"| gate | 210.0 | 900 | 1.00 | 2.00 | bare: 1.050 (1.01 to 1.10) |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

func TestSharesOfOwners(t *testing.T) {
	const top = `File: ingest-auth
Type: cpu
Showing nodes accounting for 9.50s, 95% of 10s total
      flat  flat%   sum%        cum   cum%
     4.00s 40.00% 40.00%      4.00s 40.00%  github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy.(*Handler).ServeHTTP
     2.50s 25.00% 65.00%      9.50s 95.00%  net/http.(*conn).serve
     1.50s 15.00% 80.00%      1.50s 15.00%  github.com/ingestauth/caddy-ingest-auth/internal/gate.(*Gate).admit
     0.50s  5.00% 85.00%      0.50s  5.00%  github.com/ingestauth/caddy-ingest-auth/keysync.DigestOf (inline)
     0.50s  5.00% 90.00%      0.50s  5.00%  github.com/ingestauth/caddy-ingest-auth/internal/wire.(*conn).send
     0.50s  5.00% 95.00%      0.50s  5.00%  go.uber.org/zap.(*Logger).With
`
	want := map[string]float64{"Caddy": 40, "net/http": 25, "the gate": 20, "our forwarding": 5, "other modules": 5}
	if got, err := sharesOf(top); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	if _, err := sharesOf("no profile"); err == nil {
		t.Error("something that is no table was read as one")
	}
}
