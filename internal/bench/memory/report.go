//go:build linux

package main

import (
	"fmt"
	"io"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

func writeReport(w io.Writer, o options, all []*candidate) error {
	fmt.Fprintf(w, `%s.

Medians of %d rounds of %s for each, %d connections; a ratio is one of CPU times to stock Caddy, within each round, with
its quartiles. Memory is in MiB, the most that was seen. "Needs" is anonymous memory and the pages of the binary that were
used: the kernel can drop the other pages.

| | header, CPU µs | to stock Caddy | 1 KB body, CPU µs | to stock Caddy | resident | needs | resident in a flood | needs in a flood |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
`, rig.DescribeMachine(), o.rounds, o.duration, o.connections)
	stock := all[0]
	for _, c := range all {
		fmt.Fprintf(w, "| %s | %.1f | %s | %.1f | %s | %.0f | %s | %s |\n", c.name,
			rig.QuartilesOf(c.header).Median, rig.QuartilesOf(rig.Ratios(c.header, stock.header)).Format(2),
			rig.QuartilesOf(c.body).Median, rig.QuartilesOf(rig.Ratios(c.body, stock.body)).Format(2),
			c.loaded.resident, c.within(c.loaded), c.inFlood())
	}
	fmt.Fprintf(w, "\nThe flood: %d clients at once, with bodies of %d bytes and the key in them.\n", floodClients, int(floodSize))
	for _, c := range all[1:] {
		fmt.Fprintf(w, "- %s: answers %v\n", c.name, c.answers)
	}
	return nil
}

// within returns what is needed, and says if it is more than the limit.
func (c *candidate) within(n need) string {
	s := fmt.Sprintf("%.0f", n.least())
	if c.limit > 0 && n.least() > c.limit {
		s += " (TOO MUCH)"
	}
	return s
}

func (c *candidate) inFlood() string {
	if c.answers == nil {
		return " | "
	}
	return fmt.Sprintf("%.0f | %s", c.flood.resident, c.within(c.flood))
}
