package file

import (
	"io"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// table is the content of a key file. It is never changed once read.
type table map[keysync.Digest]*keysync.Record

// readTable reads a key file, {"keys":[{"digest":"<hex>","key_id":"key_…"},…]},
// record by record. The error is a *RecordError unless r itself failed.
func readTable(r io.Reader) (table, error) {
	t := make(table)
	err := keysync.ReadKeyFile(r, func(d keysync.Digest, rec *keysync.Record) bool {
		_, there := t[d]
		t[d] = rec
		return !there
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}
