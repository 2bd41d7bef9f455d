//go:build linux

package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

func TestReport(t *testing.T) {
	header := &table{load: "key in a header"}
	header.add("bare", nil).turns = []turn{{100, 0, 1000}, {200, 0, 3000}, {300, 0, 2000}}
	logged := header.add("log", nil)
	logged.turns = []turn{{200, 0, 900}, {400, 0, 900}, {600, 0, 900}}
	auth := header.add("auth", nil)
	auth.helper, auth.turns = new(rig.Process), []turn{{110, 10, 900}, {210, 20, 900}, {303, 40, 900}}
	gate := header.add("gate", nil)
	gate.reference, gate.turns = logged, []turn{{100, 0, 1}, {100, 0, 2}, {450, 0, 3}}
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

func TestRequestsOf(t *testing.T) {
	for kind, want := range map[string]int{"header": 1, "body": 1, "both": 2, "": 0} {
		if got, err := requestsOf(kind, "k"); len(got) != want || (err != nil) != (want == 0) {
			t.Errorf("%q: %d requests, %v", kind, len(got), err)
		}
	}
}
