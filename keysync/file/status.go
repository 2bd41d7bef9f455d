package file

import (
	"fmt"
	"iter"
	"maps"
	"os"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Status is the state of the file. It does not wait for a file that is being read.
func (f *Source) Status() keysync.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := keysync.Status{Problem: f.trouble, Records: f.Len(), LoadedAt: f.loadedAt}
	if s.Problem != "" {
		s.Public = "key file cannot be used"
	}
	return s
}

func (f *Source) problem() string { return f.Status().Problem }

func (f *Source) setProblem(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trouble = text
}

// Records yields all records, in no order.
func (f *Source) Records() iter.Seq[*keysync.Record] {
	return maps.Values(*f.table.Load())
}

// Reload reads the file at once, even if it has not changed. If the file cannot be used,
// the error says why, and the last good one is kept.
func (f *Source) Reload() error {
	f.reading.Lock()
	defer f.reading.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		return fmt.Errorf("reading key file: %w", err)
	}
	if err := f.load(info); err != nil {
		f.complain(err, true)
		return err
	}
	f.setProblem("")
	return nil
}
