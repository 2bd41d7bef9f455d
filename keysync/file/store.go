package file

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Store changes a key file. The file is replaced as a whole, so that readers see either
// the old or the new content. Writers wait for each other with a lock file next to it
// (<path>.lock).
type Store struct {
	path string
}

var _ keysync.Store = (*Store)(nil)

// NewStore returns the store in the key file at path. The file is created with the first
// record.
func NewStore(path string) *Store {
	return &Store{path: path}
}

// Lookup reads the file and returns the record of d.
func (s *Store) Lookup(_ context.Context, d keysync.Digest) (*keysync.Record, error) {
	entries, err := s.read()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keysync.ErrUnavailable, err)
	}
	if i := indexOf(entries, d); i >= 0 {
		return entries[i].Record, nil
	}
	return nil, keysync.ErrUnknown
}

// Create adds records as a Store does.
func (s *Store) Create(ctx context.Context, entries ...keysync.Entry) (existing []keysync.Digest, err error) {
	err = s.change(ctx, func(old []keysync.Entry) ([]keysync.Entry, error) {
		byDigest, byKeyID := make(table), make(map[string]keysync.Digest)
		for _, e := range old {
			byDigest[e.Digest], byKeyID[e.Record.KeyID] = e.Record, e.Digest
		}
		existing = nil
		for _, e := range entries {
			if _, ok := byDigest[e.Digest]; ok {
				existing = append(existing, e.Digest)
				continue
			}
			if _, ok := byKeyID[e.Record.KeyID]; ok {
				return nil, fmt.Errorf("creating %s: %w", e.Record.KeyID, keysync.ErrKeyIDTaken)
			}
			byDigest[e.Digest], byKeyID[e.Record.KeyID] = e.Record, e.Digest
			old = append(old, e)
		}
		return old, nil
	})
	return existing, err
}

// Update changes a record as a Store does.
func (s *Store) Update(ctx context.Context, d keysync.Digest, change func(*keysync.Record) error) (*keysync.Record, error) {
	var rec *keysync.Record
	err := s.change(ctx, func(old []keysync.Entry) ([]keysync.Entry, error) {
		i := indexOf(old, d)
		if i < 0 {
			return nil, keysync.ErrUnknown
		}
		rec = old[i].Record
		keyID := rec.KeyID
		if err := change(rec); err != nil {
			return nil, err
		}
		if rec.KeyID != keyID {
			return nil, errors.New("the key ID of a record cannot change")
		}
		return old, nil
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// Find returns the entry with a key ID as a Store does.
func (s *Store) Find(ctx context.Context, keyID string) (keysync.Entry, error) {
	return keysync.FindIn(s.List(ctx), keyID)
}

// List yields all entries in the order of the file. If one record cannot be used, the
// whole file is an error.
func (s *Store) List(context.Context) iter.Seq2[keysync.Entry, error] {
	return func(yield func(keysync.Entry, error) bool) {
		entries, err := s.read()
		if err != nil {
			yield(keysync.Entry{}, err)
			return
		}
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func indexOf(entries []keysync.Entry, d keysync.Digest) int {
	return slices.IndexFunc(entries, func(e keysync.Entry) bool { return e.Digest == d })
}

// read returns the entries in the file, in order; none if there is no file.
func (s *Store) read() ([]keysync.Entry, error) {
	file, err := os.Open(s.path) //nolint:gosec // whoever runs the program names the file
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading key file: %w", err)
	}
	defer file.Close()
	var entries []keysync.Entry
	seen := make(map[keysync.Digest]struct{})
	err = keysync.ReadKeyFile(bufio.NewReaderSize(file, 64<<10), func(d keysync.Digest, rec *keysync.Record) bool {
		_, there := seen[d]
		seen[d] = struct{}{}
		entries = append(entries, keysync.Entry{Digest: d, Record: rec})
		return !there
	})
	if err != nil {
		return nil, fmt.Errorf("reading key file %s: %w", s.path, err)
	}
	return entries, nil
}

// change replaces the content of the file while holding the lock.
func (s *Store) change(ctx context.Context, change func([]keysync.Entry) ([]keysync.Entry, error)) error {
	path, err := resolve(s.path)
	if err != nil {
		return fmt.Errorf("writing key file: %w", err)
	}
	unlock, err := lockFile(ctx, path+".lock")
	if err != nil {
		return fmt.Errorf("locking key file: %w; if no other writer runs, remove the lock file", err)
	}
	entries, err := s.read()
	if err == nil {
		entries, err = change(entries)
	}
	if err == nil {
		err = writeEntries(path, entries)
	}
	return errors.Join(err, unlock())
}

// resolve follows symbolic links, so that the file is replaced and not a link
// to it.
func resolve(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil
	}
	return real, err
}

// writeEntries replaces the file at path.
func writeEntries(path string, entries []keysync.Entry) error {
	content, err := encodeEntries(entries)
	if err != nil {
		return err
	}
	old, err := os.Stat(path) //nolint:gosec // whoever runs the program names the file
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("writing key file: %w", err)
	}
	if err := replaceFile(path, content, old); err != nil {
		return fmt.Errorf("writing key file: %w", err)
	}
	return nil
}

// encodeEntries writes one record per line.
func encodeEntries(entries []keysync.Entry) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("{\"keys\":[")
	for i, e := range entries {
		data, err := keysync.EncodeRecord(e.Record)
		if err != nil {
			return nil, fmt.Errorf("writing the record of %s: %w", e.Record.KeyID, err)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "\n{\"digest\":\"%s\",%s", e.Digest, data[1:])
	}
	b.WriteString("\n]}\n")
	return b.Bytes(), nil
}

// replaceFile writes content to a new file and renames it to path, so that even a crash
// leaves either the old or the new content. The file gets the mode and the owner of the
// old file, so that the gate can still read it. old is nil if there is no old file.
func replaceFile(path string, content []byte, old fs.FileInfo) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(content)
	err = errors.Join(err, inherit(f, old), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil { //nolint:gosec // whoever runs the program names the file
		return err
	}
	syncFolder(filepath.Dir(path))
	return nil
}

// inherit gives f the mode and the owner of old. If old is nil, only this user may read
// f.
func inherit(f *os.File, old fs.FileInfo) error {
	if old == nil {
		return f.Chmod(0o600)
	}
	if err := keepOwner(f, old); err != nil {
		return fmt.Errorf("keeping the owner of the key file, because that user must be able to read it: %w; run this as that user or as root", err)
	}
	return f.Chmod(old.Mode().Perm())
}

// syncFolder makes a rename survive a crash, on systems that can do that.
func syncFolder(path string) {
	if d, err := os.Open(path); err == nil { //nolint:gosec // whoever runs the program names the file
		_ = d.Sync()
		_ = d.Close()
	}
}
