package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/template"
)

var report = template.Must(template.New("report").Parse(
	`{{.Machine}}

Medians of {{.Rounds}} rounds of {{.Duration}} each, {{.Connections}} connections. CPU time is the
proxy's own, user and system. A ratio is the median of the ratios within each round, with the lowest and the highest.

| | CPU µs/request | requests/s | p50 ms | p99 ms | CPU compared with |
|---|---:|---:|---:|---:|---|
{{range .Rows}}| {{.Name}} | {{printf "%.1f" .CPU}} | {{printf "%.0f" .Throughput}} | {{printf "%.2f" .P50}} | {{printf "%.2f" .P99}} | {{.Ratio}} |
{{end}}`))

type row struct {
	Name                      string
	CPU, Throughput, P50, P99 float64
	Ratio                     string
}

func writeReport(w io.Writer, o options, machine string, candidates []*candidate) error {
	rows := make([]row, len(candidates))
	for i, c := range candidates {
		rows[i] = row{
			Name:       c.name,
			CPU:        c.median(func(t turn) float64 { return t.cpu }),
			Throughput: c.median(func(t turn) float64 { return t.throughput }),
			P50:        c.median(func(t turn) float64 { return t.p50 }),
			P99:        c.median(func(t turn) float64 { return t.p99 }),
			Ratio:      c.ratio(),
		}
	}
	return report.Execute(w, map[string]any{
		"Machine": machine, "Rounds": o.rounds, "Duration": o.duration, "Connections": o.connections, "Rows": rows,
	})
}

func (c *candidate) median(of func(turn) float64) float64 {
	values := make([]float64, len(c.turns))
	for i, t := range c.turns {
		values[i] = of(t)
	}
	return median(values)
}

// ratio says how much CPU time c takes in terms of its references.
func (c *candidate) ratio() string {
	var all []string
	for _, reference := range c.references {
		ratios := make([]float64, len(c.turns))
		for i, t := range c.turns {
			ratios[i] = t.cpu / reference.turns[i].cpu
		}
		slices.Sort(ratios)
		all = append(all, fmt.Sprintf("%s: %.3f (%.2f to %.2f)", reference.name, median(ratios), ratios[0], ratios[len(ratios)-1]))
	}
	return strings.Join(all, "; ")
}

// median returns the mean of the two values in the middle of an even number.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}
