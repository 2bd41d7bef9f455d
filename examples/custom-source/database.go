package sqlitekeys

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"errors"
	"fmt"
	"net/url"

	_ "modernc.org/sqlite" // the driver "sqlite", without cgo

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

//go:embed schema.sql
var schema string

// database is what the source and the store have in common.
type database struct {
	db   *sql.DB
	path string
}

// open opens the database at path. Options go into its URL.
func open(ctx context.Context, path string, options url.Values) (*database, error) {
	options.Add("_pragma", "busy_timeout(400)") // less than the 500ms that a look-up may take
	u := url.URL{Scheme: "file", Path: path, RawQuery: options.Encode()}
	db, err := sql.Open("sqlite", u.String())
	if err == nil {
		err = db.PingContext(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("keys sqlite: opening %s: %w", path, err)
	}
	return &database{db, path}, nil
}

// Close implements io.Closer.
func (d *database) Close() error { return d.db.Close() }

// Lookup implements keysync.Source. It distinguishes three cases: there is a record, the
// key does not exist (ErrUnknown), and it cannot say (ErrUnavailable). A database that is
// locked or lacks the table cannot say: good keys must not be refused because of that.
func (d *database) Lookup(ctx context.Context, digest keysync.Digest) (*keysync.Record, error) {
	var text string
	err := d.db.QueryRowContext(ctx, `SELECT record FROM keys WHERE digest = ?`, digest.String()).Scan(&text)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, keysync.ErrUnknown
	case err != nil:
		return nil, fmt.Errorf("%w: reading %s: %w", keysync.ErrUnavailable, d.path, err)
	}
	return parse(text)
}

// parse reads a record. ParseRecord is strict, and its errors quote nothing.
func parse(text string) (*keysync.Record, error) {
	rec, err := keysync.ParseRecord([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", keysync.ErrUnusable, err)
	}
	return rec, nil
}
