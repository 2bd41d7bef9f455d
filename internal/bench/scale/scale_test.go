package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test binary be the process that measures a key file.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "-file" {
		main()
		return
	}
	os.Exit(m.Run())
}

func TestDemandOf(t *testing.T) {
	for _, tt := range []struct {
		keys       int
		refreshes  float64
		every, all time.Duration
	}{
		{0, 0, 4 * time.Minute, 0},
		{1000, 1000. / 240, 4 * time.Minute, 5 * time.Second},
		{48_000, 200, 4 * time.Minute, 4 * time.Minute}, // where the cap begins
		{100_000, 200, 500 * time.Second, 500 * time.Second},
	} {
		d := demandOf(tt.keys)
		if d.feed != 1 || math.Abs(d.refreshes-tt.refreshes) > 1e-9 || math.Abs(d.renewals*2250-1) > 1e-9 {
			t.Errorf("%d keys: %+v, want %v refreshes", tt.keys, d, tt.refreshes)
		}
		if refreshEvery(tt.keys) != tt.every || readAll(tt.keys) != tt.all {
			t.Errorf("%d keys: read again every %v, all of them within %v, want %v and %v", tt.keys, refreshEvery(tt.keys), readAll(tt.keys), tt.every, tt.all)
		}
		if d.total() > d.most() || math.Abs(d.most()-201) > 0.001 {
			t.Errorf("%d keys: %v and at most %v", tt.keys, d.total(), d.most())
		}
	}
}

// The constants that the formulas rest on are those of the code.
func TestConstantsAreThoseOfTheCode(t *testing.T) {
	const keysync = "../../../keysync/"
	for file, lines := range map[string][]string{
		keysync + "cache/cache.go": {
			fmt.Sprintf("cmp.Or(o.Size, %d_000)", cacheSize/1000),
			fmt.Sprintf("cmp.Or(o.Reads, %d)", cacheReads),
			fmt.Sprintf("cmp.Or(o.Fresh, %d*time.Minute)", cacheFresh/time.Minute),
			fmt.Sprintf("cmp.Or(o.Unknown, %d*time.Second)", cacheUnknown/time.Second),
		},
		keysync + "cache/entry.go": {"return fresh*7/10 + rand.Int64N(fresh/5+1)"},
		keysync + "vault/feed.go":  {"feedPoll = time.Second"},
		keysync + "vault/login.go": {"ttl/2+rand.N(ttl/4+1)"},
		"../../../docs/vault.md":   {"token_ttl=1h"},
	} {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines {
			if !strings.Contains(string(code), line) {
				t.Errorf("%s has no %q: correct the constants in demand.go", file, line)
			}
		}
	}
}

func TestQuantileAndGrouped(t *testing.T) {
	values := []float64{5, 1, 3}
	if quantile(values, 0.5) != 3 || quantile(values, 0) != 1 || values[0] != 5 {
		t.Errorf("the median of %v is %v", values, quantile(values, 0.5))
	}
	for n, want := range map[int]string{7: "7", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := grouped(n); got != want {
			t.Errorf("grouped(%d) = %s", n, got)
		}
	}
}

func TestEverythingOnASmallScale(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), &out, sizes{
		keys: []int{200, 400}, sample: 200, rounds: 3, lookups: 1000, misses: 5, waiting: 100,
		records: 500, churned: 300, hours: 2, reads: 400,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`\| 400 \| \d+ ns \(`, `the cache itself\) \| \d+ \|`, `at most 1 each time`, `500 records`, `\| open \|`, `and reload \|`,
		`Together 800 reads`, `300 records and 200 unknown`, `\| 1,000 \| 100,000 \| 1,000 \| 200,000 \| 1,600 \| 201,000 \|`, `\| 1,000 \| 1,000,000 \|`,
	} {
		if !regexp.MustCompile(want).MatchString(out.String()) {
			t.Errorf("the report has no %s", want)
		}
	}
	if strings.Contains(out.String(), "NaN") || t.Failed() {
		t.Log(out.String())
	}
}
