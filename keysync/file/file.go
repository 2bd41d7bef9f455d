// Package file is a source of keys in a JSON file, and a store that changes it.
package file

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/internal/filestat"
)

const (
	pollEvery = time.Second

	// settleAfter is how old a file's modification time must be, so that the next change
	// surely has another time: some file systems count time in steps.
	settleAfter = 2 * time.Second
)

// Source reads a JSON file and follows its changes:
//
//	{"keys":[{"digest":"<64 hex digits>","key_id":"key_…","account":"…"}]}
//
// The members of an element are those of keysync.Record. The source checks the path about
// once per second. So the file may be renamed into place, written in place, or be a
// symbolic link that changes (as in a mounted Kubernetes Secret). If a file cannot be
// used, the source logs that and keeps the last good one.
//
// Reading a large file takes seconds, so each content is read only once. Only a hash
// shows whether the content has changed: the times of the file may change alone, and a
// file that was just written may change again without a new time.
type Source struct {
	path string
	log  *zap.Logger
	seed maphash.Seed

	table atomic.Pointer[table]

	reading sync.Mutex       // held while the file is checked; guards the fields below
	version filestat.Version // of the content last looked at
	settled bool             // if the content changes, version surely changes, too
	sum     uint64           // hash of the content that was read last, if known
	known   bool

	mu       sync.Mutex // guards the fields below
	trouble  string     // why the current file cannot be used, "" if it can
	loadedAt time.Time

	stop chan struct{}
	done sync.WaitGroup
}

// Interface guards
var (
	_ keysync.Getter   = (*Source)(nil)
	_ keysync.Reporter = (*Source)(nil)
	_ keysync.Lister   = (*Source)(nil)
	_ keysync.Knower   = (*Source)(nil)
	_ keysync.Reloader = (*Source)(nil)
)

// Open reads the key file at path and begins to follow its changes until
// Close. If the file cannot be used, the error names line and field, and never quotes the
// content.
func Open(path string, log *zap.Logger) (*Source, error) {
	return open(path, log, pollEvery)
}

func newSource(path string, log *zap.Logger) *Source {
	return &Source{path: path, log: log, seed: maphash.MakeSeed(), stop: make(chan struct{})}
}

func open(path string, log *zap.Logger, poll time.Duration) (*Source, error) {
	f := newSource(path, log)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	if err := f.load(info); err != nil {
		return nil, err
	}
	f.done.Go(func() { f.watch(poll) })
	return f, nil
}

// Lookup returns the record of d, or ErrUnknown. It does not allocate.
func (f *Source) Lookup(ctx context.Context, d keysync.Digest) (*keysync.Record, error) {
	rec, _, err := f.Get(ctx, d)
	return rec, err
}

// Get is Lookup with the outcome: a file is always in memory.
func (f *Source) Get(_ context.Context, d keysync.Digest) (*keysync.Record, keysync.Outcome, error) {
	if rec, ok := (*f.table.Load())[d]; ok {
		return rec, keysync.OutcomeHit, nil
	}
	return nil, keysync.OutcomeUnknown, keysync.ErrUnknown
}

// Knows implements keysync.Knower.
func (f *Source) Knows(d keysync.Digest) bool {
	_, ok := (*f.table.Load())[d]
	return ok
}

// Len returns the number of records.
func (f *Source) Len() int {
	return len(*f.table.Load())
}

// Close stops following the file. Look-ups still work.
func (f *Source) Close() error {
	close(f.stop)
	f.done.Wait()
	return nil
}

func (f *Source) watch(poll time.Duration) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-f.stop:
			return
		case <-tick.C:
			f.check()
		}
	}
}

// check loads the file if its content has changed. A file that changes while it is read
// is left for the next check.
func (f *Source) check() {
	f.reading.Lock()
	defer f.reading.Unlock()
	info, err := os.Stat(f.path)
	if err != nil {
		changed := f.version != (filestat.Version{})
		f.version, f.settled, f.known = filestat.Version{}, true, false
		f.complain(fmt.Errorf("reading key file: %w", err), changed)
		return
	}
	changed := filestat.Of(info) != f.version
	if !changed && f.settled || f.sameContent(info) {
		return
	}
	if err := f.load(info); err != nil {
		after, statErr := os.Stat(f.path)
		if statErr == nil && filestat.Of(after) == f.version {
			f.complain(err, changed)
		}
		return
	}
	if changed || f.problem() != "" {
		f.log.Info("loaded key file", zap.String("file", f.path), zap.Int("keys", f.Len()))
	}
	if f.Len() == 0 {
		f.log.Warn("the key file has no keys: every request is refused", zap.String("file", f.path))
	}
	f.setProblem("")
}

// note remembers which file was checked.
func (f *Source) note(info os.FileInfo) {
	f.version = filestat.Of(info)
	age := time.Since(info.ModTime())
	f.settled = age < 0 || age > settleAfter
}

// sameContent reports whether the file that info describes has the content that was read
// last. A file of another size has not, and need not be read to know that.
func (f *Source) sameContent(info os.FileInfo) bool {
	if !f.known || info.Size() != f.version.Size || !info.Mode().IsRegular() {
		return false
	}
	file, err := os.Open(f.path)
	if err != nil {
		return false
	}
	defer file.Close()
	h := f.newHash()
	if _, err := io.Copy(h, file); err != nil || h.Sum64() != f.sum {
		return false
	}
	f.note(info)
	return true
}

func (f *Source) newHash() *maphash.Hash {
	h := new(maphash.Hash)
	h.SetSeed(f.seed)
	return h
}

// load reads the file that info describes.
func (f *Source) load(info os.FileInfo) error {
	f.note(info)
	f.known = false
	if !info.Mode().IsRegular() {
		return fmt.Errorf("reading key file %s: it is not a regular file", f.path)
	}
	file, err := os.Open(f.path)
	if err != nil {
		return fmt.Errorf("reading key file: %w", err)
	}
	defer file.Close()
	h := f.newHash()
	content := io.TeeReader(file, h)
	t, err := readTable(bufio.NewReaderSize(content, 64<<10))
	if _, rest := io.Copy(io.Discard, content); rest == nil { // only part of a broken file was read
		f.sum, f.known = h.Sum64(), true
	}
	if err != nil {
		return fmt.Errorf("reading key file %s: %w", f.path, err)
	}
	f.table.Store(&t)
	f.mu.Lock()
	f.loadedAt = time.Now()
	f.mu.Unlock()
	return nil
}

// complain logs a problem, once for every change of the file.
func (f *Source) complain(err error, changed bool) {
	if !changed && err.Error() == f.problem() {
		return
	}
	f.setProblem(err.Error())
	fields := []zap.Field{zap.String("file", f.path), zap.Int("keys_kept", f.Len()), zap.Error(err)}
	if e, ok := errors.AsType[*keysync.RecordError](err); ok {
		fields = append(fields, zap.Int("line", e.Line), zap.String("field", e.Field))
	}
	f.log.Error("key file cannot be used, keeping the last good one", fields...)
}
