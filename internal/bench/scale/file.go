package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
)

// fileFigures are what a process of its own measures of a key file.
type fileFigures struct {
	Records      int
	Bytes        float64 // of heap, per record
	Open, Reload step
}

type step struct {
	Took, CPU time.Duration
	PeakMB    float64 // of the process so far
}

func reportFile(ctx context.Context, w io.Writer, s sizes) error {
	dir, err := os.MkdirTemp("", "bench-scale-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "keys.json")
	size, err := writeKeyFile(path, s.records)
	if err != nil {
		return err
	}
	f, err := measureInChild(ctx, path)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n### Key file\n\n%s records with most fields, %.0f MB; %.0f bytes of heap for each. A change is noticed within a second, and what was\n"+
		"there before is served until all is read: both are in memory then. Peaks are of the whole process so far.\n\n"+
		"| | s | CPU s | CPU µs per record | peak RSS MB |\n|---|---:|---:|---:|---:|\n", grouped(f.Records), float64(size)/1e6, f.Bytes)
	f.Open.row(w, "open", f.Records)
	f.Reload.row(w, "change, notice and reload", f.Records)
	return nil
}

func (s step) row(w io.Writer, name string, records int) {
	fmt.Fprintf(w, "| %s | %.1f | %.1f | %.1f | %.0f |\n", name, s.Took.Seconds(), s.CPU.Seconds(), s.CPU.Seconds()*1e6/float64(records), s.PeakMB)
}

func writeKeyFile(path string, records int) (size int64, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	w := bufio.NewWriter(file)
	separator := `{"keys":[`
	for i := range records {
		fmt.Fprintf(w, "%s{\"digest\":\"%s\",%s}", separator, known(i), largeFields(known(i)))
		separator = ",\n"
	}
	fmt.Fprint(w, "]} ")
	if err := w.Flush(); err != nil {
		return 0, err
	}
	return file.Seek(0, io.SeekCurrent)
}

func measureInChild(ctx context.Context, path string) (f fileFigures, err error) {
	self, err := os.Executable()
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, self, "-file", path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return f, fmt.Errorf("measuring a key file in a process of its own: %w", err)
	}
	return f, json.Unmarshal(out, &f)
}

// measureFile is what that process does.
func measureFile(path string, w io.Writer) error {
	var keys *file.Source
	var figures fileFigures
	before := heapInUse()
	err := figures.Open.measure(func() (err error) {
		keys, err = file.Open(path, zap.NewNop())
		return err
	})
	if err != nil {
		return err
	}
	defer keys.Close()
	figures.Records = keys.Len()
	figures.Bytes = (heapInUse() - before) / float64(figures.Records)
	if err := figures.Reload.measure(func() error { return change(keys, path) }); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(figures)
}

func (s *step) measure(do func() error) error {
	began, cpu := time.Now(), cpuTime()
	err := do()
	*s = step{Took: time.Since(began), CPU: cpuTime() - cpu, PeakMB: peakMB()}
	return err
}

// change changes the last byte of the file, a space or a line end, and waits until the file
// has been read again.
func change(keys *file.Source, path string) error {
	before := keys.Status().LoadedAt
	if err := overwriteEnd(path, "\n"); err != nil {
		return err
	}
	for {
		switch s := keys.Status(); {
		case s.Problem != "":
			return errors.New(s.Problem)
		case s.LoadedAt.After(before):
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}

func overwriteEnd(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Seek(-int64(len(text)), io.SeekEnd); err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return err
}
