package vault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"sync"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// writers is how many requests to Vault run at the same time.
const writers = 16

// Create adds records as a Store does. It tells the gateways only at the end, so write
// many entries in pieces of at most a thousand.
func (v *Source) Create(ctx context.Context, entries ...keysync.Entry) ([]keysync.Digest, error) {
	there := make([]bool, len(entries))
	errs := make([]error, len(entries))
	parallel(len(entries), func(i int) {
		there[i], errs[i] = v.create(ctx, entries[i])
	})
	var existing, all []keysync.Digest
	for i, e := range entries {
		if errs[i] == nil {
			all = append(all, e.Digest)
		}
		if there[i] {
			existing = append(existing, e.Digest)
		}
	}
	// Existing records may come from a try that failed before it told the gateways.
	err := v.announce(ctx, all)
	if failed := firstError(errs); failed != nil {
		err = errors.Join(fmt.Errorf("%w; %d of %d records are stored; run the same again for the rest", failed, len(all), len(entries)), err)
	}
	return existing, err
}

// create writes the index of the key ID, then the record. If it fails in between, it can
// be repeated.
func (v *Source) create(ctx context.Context, e keysync.Entry) (existing bool, err error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	data, err := keysync.EncodeRecord(e.Record)
	if err != nil {
		return false, fmt.Errorf("creating %s: %w", e.Record.KeyID, err)
	}
	if err := v.createIndex(ctx, e); err != nil {
		return false, fmt.Errorf("creating %s: %w", e.Record.KeyID, err)
	}
	err = v.put(ctx, v.recordPath(e.Digest), data, 0)
	if errors.Is(err, errConflict) {
		err = v.edit(ctx, v.recordPath(e.Digest), func(old json.RawMessage) (json.RawMessage, error) {
			if existing = old != nil; existing {
				return nil, errKeep
			}
			return data, nil
		})
	}
	if err != nil {
		return false, fmt.Errorf("creating %s: %w", e.Record.KeyID, err)
	}
	return existing, nil
}

// keyIndex is the document that gives the digest for a key ID.
type keyIndex struct {
	Digest string `json:"digest"`
}

func (v *Source) indexPath(keyID string) string {
	return v.dataPath("ids/" + keyID)
}

func (v *Source) createIndex(ctx context.Context, e keysync.Entry) error {
	data, err := json.Marshal(keyIndex{Digest: e.Digest.String()})
	if err != nil {
		return err
	}
	path := v.indexPath(e.Record.KeyID)
	err = v.put(ctx, path, data, 0)
	if !errors.Is(err, errConflict) {
		return err
	}
	return v.edit(ctx, path, func(old json.RawMessage) (json.RawMessage, error) {
		switch {
		case old == nil:
			return data, nil
		case bytes.Equal(old, data):
			return nil, errKeep
		}
		return nil, keysync.ErrKeyIDTaken
	})
}

// Update changes a record as a Store does, and tells the gateways.
func (v *Source) Update(ctx context.Context, d keysync.Digest, change func(*keysync.Record) error) (*keysync.Record, error) {
	var rec *keysync.Record
	err := v.edit(ctx, v.recordPath(d), func(old json.RawMessage) (json.RawMessage, error) {
		if old == nil {
			return nil, keysync.ErrUnknown
		}
		var err error
		if rec, err = keysync.ParseRecord(old); err != nil {
			return nil, fmt.Errorf("%w at %s: %w", keysync.ErrUnusable, v.recordPath(d), err)
		}
		keyID := rec.KeyID
		if err := change(rec); err != nil {
			return nil, err
		}
		if rec.KeyID != keyID {
			return nil, errors.New("the key ID of a record cannot change")
		}
		return keysync.EncodeRecord(rec)
	})
	if err != nil {
		return nil, err
	}
	return rec, v.announce(ctx, []keysync.Digest{d})
}

// Find returns the entry with a key ID as a Store does. Records made by other
// tools have no index and are searched for one by one.
func (v *Source) Find(ctx context.Context, keyID string) (keysync.Entry, error) {
	if !keysync.IsKeyID(keyID) {
		return keysync.Entry{}, keysync.ErrUnknown
	}
	doc, err := v.current(ctx, v.indexPath(keyID))
	if err != nil {
		return keysync.Entry{}, err
	}
	var index keyIndex
	if doc.Data != nil && json.Unmarshal(doc.Data, &index) == nil {
		if d, err := keysync.ParseDigest(index.Digest); err == nil {
			rec, err := v.lookup(ctx, d)
			if err == nil && rec.KeyID == keyID {
				return keysync.Entry{Digest: d, Record: rec}, nil
			}
			if errors.Is(err, keysync.ErrUnavailable) {
				return keysync.Entry{Digest: d}, err
			}
		}
	}
	return keysync.FindIn(v.List(ctx), keyID)
}

var folderForm = regexp.MustCompile(`^[0-9a-f]{2}/$`)

// List yields all entries as a Store does, in the order of their digests.
func (v *Source) List(ctx context.Context) iter.Seq2[keysync.Entry, error] {
	return func(yield func(keysync.Entry, error) bool) {
		folders, err := v.names(ctx, "")
		if err != nil {
			yield(keysync.Entry{}, err)
			return
		}
		for _, folder := range folders {
			if folderForm.MatchString(folder) && !v.listFolder(ctx, folder, yield) {
				return
			}
		}
	}
}

// listFolder reports whether to continue.
func (v *Source) listFolder(ctx context.Context, folder string, yield func(keysync.Entry, error) bool) bool {
	names, err := v.names(ctx, folder)
	if err != nil {
		yield(keysync.Entry{}, err)
		return false
	}
	entries := make([]keysync.Entry, len(names))
	errs := make([]error, len(names))
	parallel(len(names), func(i int) {
		if entries[i].Digest, errs[i] = keysync.ParseDigest(names[i]); errs[i] != nil {
			errs[i] = keysync.ErrUnknown // not one of our records
			return
		}
		entries[i].Record, errs[i] = v.lookup(ctx, entries[i].Digest)
	})
	for i, e := range entries {
		if errors.Is(errs[i], keysync.ErrUnknown) {
			continue
		}
		if !yield(e, errs[i]) {
			return false
		}
		if errs[i] != nil && !errors.Is(errs[i], keysync.ErrUnusable) {
			return false
		}
	}
	return true
}

// names lists a folder below the prefix.
func (v *Source) names(ctx context.Context, folder string) ([]string, error) {
	if err := v.notReady(); err != nil {
		return nil, err
	}
	path := v.opts.Mount + "/metadata/" + v.opts.Prefix + "/" + folder
	s, err := v.client.Logical().ListWithContext(ctx, path)
	if err != nil {
		return nil, explain(err, "listing "+path)
	}
	if s == nil {
		return nil, nil
	}
	var out []string
	keys, _ := s.Data["keys"].([]any)
	for _, k := range keys {
		if name, ok := k.(string); ok {
			out = append(out, name)
		}
	}
	return out, nil
}

// parallel calls do for 0 to n-1, some at a time.
func parallel(n int, do func(i int)) {
	var wg sync.WaitGroup
	turns := make(chan struct{}, writers)
	for i := range n {
		turns <- struct{}{}
		wg.Go(func() {
			do(i)
			<-turns
		})
	}
	wg.Wait()
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
