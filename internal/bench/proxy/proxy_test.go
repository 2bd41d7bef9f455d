//go:build linux

package main

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

func TestReport(t *testing.T) {
	header := &table{load: "key in a header"}
	header.add("bare", nil).turns = []turn{{cpu: 100, helper: 0, throughput: 1000}, {cpu: 200, helper: 0, throughput: 3000}, {cpu: 300, helper: 0, throughput: 2000}}
	logged := header.add("log", nil)
	logged.turns = []turn{{cpu: 200, helper: 0, throughput: 900}, {cpu: 400, helper: 0, throughput: 900}, {cpu: 600, helper: 0, throughput: 900}}
	auth := header.add("auth", nil)
	auth.helper, auth.turns = new(rig.Process), []turn{{cpu: 110, helper: 10, throughput: 900}, {cpu: 210, helper: 20, throughput: 900}, {cpu: 303, helper: 40, throughput: 900}}
	gate := header.add("gate", nil)
	gate.reference, gate.turns = logged, []turn{{cpu: 100, helper: 0, throughput: 1}, {cpu: 100, helper: 0, throughput: 2}, {cpu: 450, helper: 0, throughput: 3}}
	var out bytes.Buffer
	o := options{rounds: 3, duration: 5 * time.Second, connections: 32}
	if err := writeReport(&out, o, "a machine", []string{"nginx: not installed"}, []*table{header}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a machine.\n", "3 rounds of 5s", "32 connections", "\nLeft out: nginx: not installed.\n",
		"| key in a header | CPU µs/request |",
		"| bare | 200.0 (150.0 to 250.0) | 2000 (1500 to 2500) |  |\n",
		"| log | 400.0 (300.0 to 500.0) | 900 (900 to 900) | 2.00 (2.00 to 2.00) |\n",
		"| auth | 210.0 (160.0 to 256.5), and the service it asks 20.0 (15.0 to 30.0) | 900 (900 to 900) | 1.05 (1.03 to 1.08) |\n",
		"| gate | 100.0 (100.0 to 275.0) | 2 (2 to 2) | 0.50 (0.38 to 0.62) |\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, out.String())
		}
	}
}

// TestKeep: what a candidate is compared with stays.
func TestKeep(t *testing.T) {
	tb := new(table)
	for _, name := range []string{"bare", "log", "auth", "gate with log"} {
		tb.add(name, nil)
	}
	tb.candidates[3].reference = tb.candidates[1]
	for _, tt := range []struct{ text, want string }{{"", "bare log auth gate with log"}, {"gate", "log gate with log"}} {
		kept := &table{candidates: slices.Clone(tb.candidates)}
		kept.keep(tt.text)
		var names []string
		for _, c := range kept.candidates {
			names = append(names, c.name)
		}
		if got := strings.Join(names, " "); got != tt.want {
			t.Errorf("%q keeps %s, want %s", tt.text, got, tt.want)
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
