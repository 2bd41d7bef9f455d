package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"
)

// settle is how long a server is left alone before its memory is read.
const settle = 5 * time.Second

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
func measureFootprints(ctx context.Context, o options, w io.Writer, backend string) error {
	dir, err := os.MkdirTemp("", "bench-footprint-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	_, keys, err := writeKeys(dir)
	if err != nil {
		return err
	}
	all := []*footprint{{Name: "stock Caddy, bare"}, {Name: fmt.Sprintf("ingest-auth, gate, %d records", records)}}
	binaries, caddyfiles := []string{o.stock, o.gate}, []string{stockCaddyfile, gateCaddyfile}
	ready, rss := make([][]float64, 2), make([][]float64, 2)
	for round := range o.rounds {
		for i := range all {
			begun := time.Now()
			p, err := startCaddy(ctx, binaries[i], filepath.Join(dir, fmt.Sprint(i, "-", round)), caddyfiles[i], backend, keys, "off")
			if err != nil {
				return err
			}
			ready[i] = append(ready[i], float64(time.Since(begun).Milliseconds()))
			time.Sleep(settle)
			mb, err := p.residentMB()
			p.stop()
			if err != nil {
				return err
			}
			rss[i] = append(rss[i], mb)
		}
	}
	for i, f := range all {
		info, err := os.Stat(binaries[i])
		if err != nil {
			return err
		}
		f.Binary, f.Ready, f.RSS = float64(info.Size())/1e6, int64(median(ready[i])), median(rss[i])
	}
	return footprintReport.Execute(w, all)
}

// residentMB returns the resident memory of the process, in 10^6 bytes.
func (p *process) residentMB() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("reading memory of %s: %w", p.cmd.Path, err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kb, err := strconv.Atoi(strings.Fields(rest + " 0")[0])
	return float64(kb) * 1024 / 1e6, err
}
