package keysync

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
)

// Entry is a record with its digest.
type Entry struct {
	Digest Digest
	Record *Record
}

// Store is a Source that can be changed. Every change can be repeated: to complete a
// change that was made only in part, make it again.
type Store interface {
	Source

	// Create adds entries. It returns the digests that already existed, and leaves their
	// records as they are. A key ID that belongs to another digest is an error.
	Create(ctx context.Context, entries ...Entry) (existing []Digest, err error)

	// Update changes the record of a digest and returns it. If somebody else changes it
	// at the same time, change is called again with the new record. If change returns an
	// error, Update returns it and writes nothing.
	Update(ctx context.Context, d Digest, change func(*Record) error) (*Record, error)

	// Find returns the entry with a key ID, or ErrUnknown.
	Find(ctx context.Context, keyID string) (Entry, error)

	// List yields all entries. For a record that cannot be used, it yields the digest, a
	// nil record and an error that wraps ErrUnusable. After any other error it yields
	// nothing more.
	List(ctx context.Context) iter.Seq2[Entry, error]
}

// ErrKeyIDTaken says that a key ID already belongs to another key.
var ErrKeyIDTaken = errors.New("key ID is taken by another key")

// EncodeRecord returns the JSON of a record, if ParseRecord can read it. The error names
// the field and quotes nothing.
func EncodeRecord(rec *Record) ([]byte, error) {
	b, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	if _, err := ParseRecord(b); err != nil {
		e, _ := errors.AsType[*RecordError](err)
		return nil, fmt.Errorf("field %q: %s", e.Field, e.Problem)
	}
	return b, nil
}

// FindIn searches the list of a Store for a key ID, and returns ErrUnknown if it is not
// there. It skips records that cannot be used.
func FindIn(list iter.Seq2[Entry, error], keyID string) (Entry, error) {
	for e, err := range list {
		if err != nil && !errors.Is(err, ErrUnusable) {
			return Entry{}, err
		}
		if err == nil && e.Record.KeyID == keyID {
			return e, nil
		}
	}
	return Entry{}, ErrUnknown
}
