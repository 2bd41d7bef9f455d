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

// Store is a Source that can be changed. What a store does can be repeated: a
// change that was made only in part is completed by making it again.
type Store interface {
	Source

	// Create adds entries and returns the digests that were there already, whose
	// records it leaves as they are. A key ID that stands for another digest is an
	// error.
	Create(ctx context.Context, entries ...Entry) (existing []Digest, err error)

	// Update changes the record of a digest and returns it. If somebody else changes
	// it at the same time, change is called again with what they have written. An
	// error of change is returned and nothing is written.
	Update(ctx context.Context, d Digest, change func(*Record) error) (*Record, error)

	// Find returns the entry with a key ID, or ErrUnknown.
	Find(ctx context.Context, keyID string) (Entry, error)

	// List yields all entries. A record that cannot be used is yielded with its
	// digest, a nil record and an error that wraps ErrUnusable. Any other error is
	// the last thing yielded.
	List(ctx context.Context) iter.Seq2[Entry, error]
}

// ErrKeyIDTaken says that a key ID stands for another key already.
var ErrKeyIDTaken = errors.New("key ID is taken by another key")

// EncodeRecord returns the JSON of a record, if it is one that ParseRecord reads. The error
// names the field and quotes nothing.
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

// FindIn searches what a Store lists for a key ID, and returns ErrUnknown if it is not
// there. Records that cannot be used are passed over.
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
