//go:build linux

package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/template"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/bench/rig"
)

const (
	settle = 5 * time.Second // how long a server is left alone before its memory is read
	starts = 5               // of each server
)

var footprintReport = template.Must(template.New("footprint").Parse(`
| | binary MB | ready after ms | idle RSS MB |
|---|---:|---:|---:|
{{range .}}| {{.Name}} | {{printf "%.1f" .Binary}} | {{.Ready}} | {{printf "%.1f" .RSS}} |
{{end}}`))

// footprint is how small a server is: medians of several starts.
type footprint struct {
	Name        string
	Binary, RSS float64 // MB
	Ready       int64   // ms from exec to the first answer
}

// measureFootprints starts stock Caddy and the gate with its key file several times, in turn,
// and prints what they take while nobody asks them anything.
func measureFootprints(ctx context.Context, o options, w io.Writer) error {
	const backend = "127.0.0.1:9" // nobody asks
	dir, err := os.MkdirTemp("", "bench-footprint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	keys, err := rig.NewKeys()
	if err != nil {
		return err
	}
	keyFile, err := keys.WriteFile(dir)
	if err != nil {
		return err
	}
	all := []*footprint{{Name: "stock Caddy, bare"}, {Name: fmt.Sprintf("ingest-auth, gate, %d records", rig.Records)}}
	binaries, caddyfiles := []string{o.stock, o.gate}, []rig.Caddy{rig.Stock(backend), rig.Gate(keyFile, backend)}
	ready, rss := make([][]float64, 2), make([][]float64, 2)
	for round := range starts {
		for i := range all {
			begun := time.Now()
			p, err := rig.StartCaddy(ctx, binaries[i], filepath.Join(dir, fmt.Sprint(i, "-", round)), caddyfiles[i])
			if err != nil {
				return err
			}
			ready[i] = append(ready[i], float64(time.Since(begun).Milliseconds()))
			time.Sleep(settle)
			memory, err := p.Memory()
			p.Stop()
			if err != nil {
				return err
			}
			rss[i] = append(rss[i], memory.Resident*(1<<20)/1e6)
		}
	}
	for i, f := range all {
		if f.Binary, err = rig.BinarySize(binaries[i]); err != nil {
			return err
		}
		f.Ready, f.RSS = int64(rig.QuartilesOf(ready[i]).Median), rig.QuartilesOf(rss[i]).Median
	}
	return footprintReport.Execute(w, all)
}
