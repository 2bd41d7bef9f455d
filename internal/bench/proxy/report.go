//go:build linux

package main

import (
	"io"
	"text/template"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

var report = template.Must(template.New("report").Parse(
	`{{.Machine}}.

{{.Rounds}} rounds of {{.Duration}} for each candidate, {{.Connections}} connections. Medians, and in brackets the quartiles.
CPU time is that of the proxy's processes, user and system. A ratio is one of CPU times, within each round.
{{range .Missing}}
Left out: {{.}}.
{{end}}{{range .Tables}}
| {{.Load}} | CPU µs/request | requests/s | compared with stock Caddy |
|---|---:|---:|---:|
{{range .Rows}}| {{.Name}} | {{.CPU}} | {{.Throughput}} | {{.Ratio}} |
{{end}}{{end}}`))

type (
	reportTable struct {
		Load string
		Rows []reportRow
	}
	reportRow struct{ Name, CPU, Throughput, Ratio string }
)

func writeReport(w io.Writer, o options, machine string, missing []string, tables []*table) error {
	var all []reportTable
	for _, t := range tables {
		rows := make([]reportRow, len(t.candidates))
		for i, c := range t.candidates {
			rows[i] = c.row()
		}
		all = append(all, reportTable{t.load, rows})
	}
	return report.Execute(w, map[string]any{
		"Machine": machine, "Rounds": o.rounds, "Duration": o.duration, "Connections": o.connections, "Missing": missing, "Tables": all,
	})
}

func (c *candidate) row() reportRow {
	cpu := c.all(func(t turn) float64 { return t.cpu })
	r := reportRow{
		Name:       c.name,
		CPU:        rig.QuartilesOf(cpu).Format(1),
		Throughput: rig.QuartilesOf(c.all(func(t turn) float64 { return t.throughput })).Format(0),
	}
	if c.helper != nil {
		r.CPU += ", and the service it asks " + rig.QuartilesOf(c.all(func(t turn) float64 { return t.helper })).Format(1)
	}
	if c.reference != nil {
		references := c.reference.all(func(t turn) float64 { return t.cpu })
		r.Ratio = rig.QuartilesOf(rig.Ratios(cpu, references)).Format(2)
	}
	return r
}

func (c *candidate) all(of func(turn) float64) []float64 {
	values := make([]float64, len(c.turns))
	for i, t := range c.turns {
		values[i] = of(t)
	}
	return values
}
