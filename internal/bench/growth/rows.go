//go:build linux

package main

import (
	"fmt"
	"io"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

// row is one load on one configuration.
type row struct {
	name        string
	connections int
	request     []byte
	limits      []string
	gates       int
}

// limits are lines for a gate. None is ever reached.
var limits = []string{
	"limit 100000000/1m by key", "limit 100000000/1m by account", "limit 100000000/1m by ip", "limit 100000000/1m by route",
	"limit 100000000/1m by key route", "limit 100000000/1m by account ip", "limit 100000000/1m by ip route", "limit 100000000/1m by key ip",
}

// rows are the first, which is the load of the other tables, and what differs from it in one thing.
func rows(key string) []row {
	base := row{"32 connections, key in a header, one limit, one gate", 32, rig.GetWithKey(key), limits[:1], 1}
	all := []row{base}
	add := func(name string, change func(*row)) {
		r := base
		r.name = name
		change(&r)
		all = append(all, r)
	}
	for _, n := range []int{1_000, 10_000} {
		add(fmt.Sprint(n, " connections"), func(r *row) { r.connections = n })
	}
	for _, size := range []struct {
		name  string
		bytes int
	}{{"1 KB", 1 << 10}, {"10 KB", 10 << 10}, {"100 KB", 100 << 10}, {"1 MB", 1e6}} {
		add("key in "+size.name+" of JSON", func(r *row) { r.request = rig.PostWithKey(key, size.bytes) })
		if size.bytes == 1<<10 || size.bytes == 100<<10 {
			add("key in "+size.name+" of JSON, gzip", func(r *row) { r.request = rig.PostGzip(key, size.bytes) })
		}
	}
	for _, n := range []int{2, 4, 8} {
		add(fmt.Sprint(n, " limits"), func(r *row) { r.limits = limits[:n] })
	}
	for _, n := range []int{2, 4, 8} {
		add(fmt.Sprint(n, " gates"), func(r *row) { r.gates = n })
	}
	return all
}

func writeHead(w io.Writer, o options) {
	fmt.Fprintf(w, `%s.

Requests at fixed times, half as many as the slower of the two can do. Latency counts from when a request was due.
Medians of %d rounds of %s for each. A ratio is one of CPU times, within each round, with its quartiles.

| | requests/s | CPU µs/request: stock Caddy | gate | ratio | p50 ms: stock Caddy | gate | p99 ms: stock Caddy | gate |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
`, rig.DescribeMachine(), o.rounds, o.duration)
}

func writeRow(w io.Writer, name string, rate float64, stock, gate *candidate) error {
	median := func(values []float64) float64 { return rig.QuartilesOf(values).Median }
	_, err := fmt.Fprintf(w, "| %s | %.0f | %.1f | %.1f | %s | %.2f | %.2f | %.2f | %.2f |\n", name, rate,
		median(stock.cpu), median(gate.cpu), rig.QuartilesOf(rig.Ratios(gate.cpu, stock.cpu)).Format(2),
		median(stock.p50), median(gate.p50), median(stock.p99), median(gate.p99))
	return err
}
