package caddymodule

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// verdicts are all values of the label verdict. The last stands for any other,
// of which there is none as long as this list is complete.
var verdicts = [...]string{
	verdictAllowed,
	"body_too_large", "conflicting_credentials", "duplicate_field", "expired_key", "insufficient_scope",
	"key_not_yet_valid", "malformed_body", "malformed_key", "malformed_path", "malformed_query", "missing_field",
	"missing_key", "missing_parameter", "missing_resource", rateLimited, "resource_mismatch", "revoked_key",
	"too_few_items", "too_many_candidates", "too_many_in_flight", "too_many_items", "too_many_values", "unavailable", "unknown_key", "unsupported_charset",
	"unsupported_encoding", "unsupported_type", "wrong_mode", "wrong_shape",
	"other",
}

var verdictNumbers = func() map[string]int {
	numbers := make(map[string]int)
	for i, v := range verdicts {
		numbers[v] = i
	}
	return numbers
}()

// verdictNumber returns the index of a verdict. That of an allowed request is 0.
func verdictNumber(verdict string) int {
	if verdict == verdictAllowed {
		return 0
	}
	if n, ok := verdictNumbers[verdict]; ok {
		return n
	}
	return len(verdicts) - 1
}

// locations are all values of the label location, the styles of credentials. The
// first is for requests without one that counts.
var locations = [...]string{"none", "bearer", "header", "query", "body", "basic", "form"}

// locationNumber returns the index of the style of a location, such as "header
// X-API-Key".
func locationNumber(location string) int {
	style, _, _ := strings.Cut(location, " ")
	switch style {
	case "bearer":
		return 1
	case "header":
		return 2
	case "query":
		return 3
	case "body":
		return 4
	case "basic":
		return 5
	case "form":
		return 6
	}
	return 0
}

// modes are all values of the label mode. The first is for requests without a key
// that is known.
var modes = [...]string{"", keysync.ModeLive, keysync.ModeTest}

func modeNumber(rec *keysync.Record) int {
	switch {
	case rec == nil:
		return 0
	case rec.Mode == keysync.ModeLive:
		return 1
	case rec.Mode == keysync.ModeTest:
		return 2
	}
	return 0
}

// requestCounts counts requests by verdict, location, mode, and whether the gate
// enforces. It shows only what has happened.
type requestCounts [len(verdicts)][len(locations)][len(modes)][2]atomic.Uint64

var requestsDesc = prometheus.NewDesc(metricsPrefix+"requests_total",
	"Requests that the gate has judged.", []string{"verdict", "location", "mode", "enforced"}, nil)

func (c *requestCounts) add(verdict int, p *passage, enforced bool) {
	e := 0
	if enforced {
		e = 1
	}
	c[verdict][locationNumber(p.found)][modeNumber(p.record)][e].Add(1)
}

// Describe implements prometheus.Collector.
func (*requestCounts) Describe(ch chan<- *prometheus.Desc) { ch <- requestsDesc }

// Collect implements prometheus.Collector.
func (c *requestCounts) Collect(ch chan<- prometheus.Metric) {
	for v := range c {
		for l := range c[v] {
			for m := range c[v][l] {
				for e := range c[v][l][m] {
					if n := c[v][l][m][e].Load(); n > 0 {
						ch <- count(requestsDesc, n, verdicts[v], locations[l], modes[m], strconv.FormatBool(e == 1))
					}
				}
			}
		}
	}
}

// count is a counter with the value n. Label values are words of ours, IDs of keys
// and names from the configuration, which are all valid.
func count(desc *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}

// lookupCounts counts look-ups by outcome.
type lookupCounts [keysync.OutcomeError + 1]atomic.Uint64

var lookupsDesc = prometheus.NewDesc(metricsPrefix+"lookups_total",
	"Look-ups of keys, by what they came to.", []string{"outcome"}, nil)

func (c *lookupCounts) add(o keysync.Outcome) { c[o].Add(1) }

// Describe implements prometheus.Collector.
func (*lookupCounts) Describe(ch chan<- *prometheus.Desc) { ch <- lookupsDesc }

// Collect implements prometheus.Collector.
func (c *lookupCounts) Collect(ch chan<- prometheus.Metric) {
	for o := range c {
		ch <- count(lookupsDesc, c[o].Load(), keysync.Outcome(o).String())
	}
}
