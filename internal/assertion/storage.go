package assertion

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Storage is the part of certmagic.Storage that signing keys need. It is safe for
// concurrent use, and Load of a missing name fails with fs.ErrNotExist.
type Storage interface {
	Lock(ctx context.Context, name string) error
	Unlock(ctx context.Context, name string) error
	Store(ctx context.Context, key string, value []byte) error
	Load(ctx context.Context, key string) ([]byte, error)
}

// keyFile is the document of one algorithm in a storage.
type keyFile struct {
	storage   Storage
	algorithm Algorithm
}

func (f keyFile) path() string { return "ingest_auth/signing/" + string(f.algorithm) + ".json" }

// lockName is the path with its slashes replaced: some storages keep a lock in a
// file or an entry of that name.
func (f keyFile) lockName() string { return "ingest_auth_signing_" + string(f.algorithm) + ".json" }

// load returns no keys and no error if there is no document yet.
func (f keyFile) load(ctx context.Context) ([]*key, error) {
	data, err := f.storage.Load(ctx, f.path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading signing keys from storage at %s: %w", f.path(), err)
	}
	keys, err := decodeDocument(f.algorithm, data)
	if err != nil {
		return nil, fmt.Errorf("reading signing keys from storage at %s: the document is damaged (%w): restore it from a backup, or delete it: then a running instance stores its keys again, and a starting one makes a new key", f.path(), err)
	}
	return keys, nil
}

func (f keyFile) save(ctx context.Context, keys []*key) error {
	data, err := encodeDocument(f.algorithm, keys)
	if err != nil {
		return err
	}
	if err := f.storage.Store(ctx, f.path(), data); err != nil {
		return fmt.Errorf("writing signing keys to storage at %s: %w", f.path(), err)
	}
	return nil
}

// locked runs do while only this instance may change the document.
func (f keyFile) locked(ctx context.Context, do func() error) error {
	if err := f.storage.Lock(ctx, f.lockName()); err != nil {
		return fmt.Errorf("locking signing keys in storage as %s: %w", f.lockName(), err)
	}
	err := do()
	if unlockErr := f.storage.Unlock(context.WithoutCancel(ctx), f.lockName()); unlockErr != nil {
		unlockErr = fmt.Errorf("unlocking signing keys in storage as %s: %w", f.lockName(), unlockErr)
		return errors.Join(err, unlockErr)
	}
	return err
}
