package metrics

import (
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/copies"
	"github.com/ingestauth/caddy-ingest-auth/internal/gate"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// locations are all values of the label location, the styles of credentials. The first is
// for requests without a credential that counts.
var locations = append([]string{"none"}, config.LocationStyles()...)

// locationNumber returns the index of the style of a location, such as "header
// X-API-Key".
func locationNumber(location string) int {
	style, _, _ := strings.Cut(location, " ")
	return 1 + config.StyleIndex(style)
}

// requestCounts counts requests by verdict, location, mode, and whether the gate
// enforces. It shows only series that have counted something.
type requestCounts [gate.Verdicts][1 + config.Styles][gate.Modes][2]atomic.Uint64

var requestsDesc = prometheus.NewDesc(Prefix+"requests_total",
	"Requests that the gate has judged.", []string{"verdict", "location", "mode", "enforced"}, nil)

func (c *requestCounts) add(j gate.Judged) {
	e := 0
	if j.Enforced {
		e = 1
	}
	c[j.Verdict][locationNumber(j.Location)][gate.ModeOf(j.Record)][e].Add(1)
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
						ch <- count(requestsDesc, n, gate.Verdict(v).String(), locations[l], gate.Mode(m).String(), strconv.FormatBool(e == 1))
					}
				}
			}
		}
	}
}

// count is a counter with the value n. Label values are our own words, IDs of keys and
// names from the configuration. All are valid.
func count(desc *prometheus.Desc, n uint64, labels ...string) prometheus.Metric {
	return prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(n), labels...)
}

// lookupCounts counts look-ups by outcome.
type lookupCounts [keysync.OutcomeError + 1]atomic.Uint64

var lookupsDesc = prometheus.NewDesc(Prefix+"lookups_total",
	"Look-ups of keys, by outcome.", []string{"outcome"}, nil)

func (c *lookupCounts) add(o keysync.Outcome) { c[o].Add(1) }

// Describe implements prometheus.Collector.
func (*lookupCounts) Describe(ch chan<- *prometheus.Desc) { ch <- lookupsDesc }

// Collect implements prometheus.Collector.
func (c *lookupCounts) Collect(ch chan<- prometheus.Metric) {
	for o := range c {
		ch <- count(lookupsDesc, c[o].Load(), keysync.Outcome(o).String())
	}
}

// copyCounts counts requests whose key stood in more places than one, by the place of the
// copy.
type copyCounts [copies.NumPlaces]atomic.Uint64

var copiesDesc = prometheus.NewDesc(Prefix+"key_copies_total",
	"Requests whose key stood in another place, too.", []string{"place"}, nil)

func (c *copyCounts) add(places copies.Places) {
	for p := range c {
		if places.Has(copies.Place(p)) {
			c[p].Add(1)
		}
	}
}

// Describe implements prometheus.Collector.
func (*copyCounts) Describe(ch chan<- *prometheus.Desc) { ch <- copiesDesc }

// Collect implements prometheus.Collector.
func (c *copyCounts) Collect(ch chan<- prometheus.Metric) {
	for p := range c {
		ch <- count(copiesDesc, c[p].Load(), copies.Place(p).String())
	}
}
