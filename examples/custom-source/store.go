package sqlitekeys

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"net/url"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// store is what ingest-keys writes.
type store struct{ *database }

func openStore(ctx context.Context, path string) (*store, error) {
	db, err := open(ctx, path, url.Values{"_txlock": {"immediate"}})
	if err != nil {
		return nil, err
	}
	if _, err := db.db.ExecContext(ctx, schema); err != nil {
		return nil, errors.Join(fmt.Errorf("keys sqlite: preparing %s: %w", path, err), db.Close())
	}
	return &store{db}, nil
}

// Create implements keysync.Store: all entries are added, or none is.
func (s *store) Create(ctx context.Context, entries ...keysync.Entry) (existing []keysync.Digest, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		for _, e := range entries {
			there, err := create(ctx, tx, e)
			if err != nil {
				return fmt.Errorf("creating %s: %w", e.Record.KeyID, err)
			}
			if there {
				existing = append(existing, e.Digest)
			}
		}
		return nil
	})
	return existing, err
}

func create(ctx context.Context, tx *sql.Tx, e keysync.Entry) (there bool, err error) {
	record, err := keysync.EncodeRecord(e.Record)
	if err != nil {
		return false, err
	}
	const add = `INSERT INTO keys (digest, key_id, record) VALUES (?, ?, ?) ON CONFLICT DO NOTHING`
	result, err := tx.ExecContext(ctx, add, e.Digest.String(), e.Record.KeyID, string(record))
	if err != nil {
		return false, err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return false, err
	}
	// Either the digest is there, or the key ID.
	err = tx.QueryRowContext(ctx, `SELECT 1 FROM keys WHERE digest = ?`, e.Digest.String()).Scan(new(int))
	if errors.Is(err, sql.ErrNoRows) {
		return false, keysync.ErrKeyIDTaken
	}
	return err == nil, err
}

// Update implements keysync.Store. Nobody else can write between reading and writing, because
// the transaction begins with the lock.
func (s *store) Update(ctx context.Context, d keysync.Digest, change func(*keysync.Record) error) (rec *keysync.Record, err error) {
	err = s.change(ctx, func(tx *sql.Tx) error {
		var text string
		err := tx.QueryRowContext(ctx, `SELECT record FROM keys WHERE digest = ?`, d.String()).Scan(&text)
		if errors.Is(err, sql.ErrNoRows) {
			return keysync.ErrUnknown
		}
		if err != nil {
			return err
		}
		if rec, err = parse(text); err != nil {
			return err
		}
		keyID := rec.KeyID
		if err := change(rec); err != nil {
			return err
		}
		if rec.KeyID != keyID {
			return errors.New("the key ID of a record cannot change")
		}
		encoded, err := keysync.EncodeRecord(rec)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE keys SET record = ? WHERE digest = ?`, string(encoded), d.String())
		return err
	})
	if err != nil {
		return nil, err
	}
	return rec, nil
}

// change runs do in a transaction.
func (s *store) change(ctx context.Context, do func(tx *sql.Tx) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("writing %s: %w", s.path, err)
	}
	if err := do(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("writing %s: %w", s.path, err)
	}
	return nil
}

// Find implements keysync.Store.
func (s *store) Find(ctx context.Context, keyID string) (keysync.Entry, error) {
	for e, err := range s.entries(ctx, `SELECT digest, record FROM keys WHERE key_id = ?`, keyID) {
		return e, err
	}
	return keysync.Entry{}, keysync.ErrUnknown
}

// List implements keysync.Store.
func (s *store) List(ctx context.Context) iter.Seq2[keysync.Entry, error] {
	return s.entries(ctx, `SELECT digest, record FROM keys ORDER BY digest`)
}

// entries yields what a query finds. A record that cannot be used is yielded with its digest
// and does not end the list; any other error does.
func (s *store) entries(ctx context.Context, query string, args ...any) iter.Seq2[keysync.Entry, error] {
	return func(yield func(keysync.Entry, error) bool) {
		rows, err := s.db.QueryContext(ctx, query, args...)
		if err != nil {
			yield(keysync.Entry{}, fmt.Errorf("reading %s: %w", s.path, err))
			return
		}
		defer rows.Close()
		for rows.Next() {
			e, err := readEntry(rows)
			if !yield(e, err) || err != nil && !errors.Is(err, keysync.ErrUnusable) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(keysync.Entry{}, fmt.Errorf("reading %s: %w", s.path, err))
		}
	}
}

func readEntry(rows *sql.Rows) (e keysync.Entry, err error) {
	var digest, text string
	if err := rows.Scan(&digest, &text); err != nil {
		return e, err
	}
	if e.Digest, err = keysync.ParseDigest(digest); err != nil {
		return e, fmt.Errorf("a digest %w", err)
	}
	e.Record, err = parse(text)
	return e, err
}

// Interface guard
var _ keysync.Store = (*store)(nil)
