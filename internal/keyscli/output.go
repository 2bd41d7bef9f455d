package keyscli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// view is a record for output.
type view struct {
	Key    string `json:"key,omitempty"` // only of a new key
	State  string `json:"state"`
	Digest string `json:"digest,omitempty"`
	*keysync.Record
}

// printJSON writes v on one line.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printRecord writes a record as an aligned table, without empty fields.
func printRecord(w io.Writer, v view) error {
	t := newTable(w)
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(t, "%s\t%s\n", name, value)
		}
	}
	row("key ID", v.KeyID)
	row("state", v.State)
	row("digest", v.Digest)
	row("account", v.Account)
	row("mode", v.Mode)
	row("env", v.Env)
	row("scopes", strings.Join(v.Scopes, " "))
	for _, name := range slices.Sorted(maps.Keys(v.Resources)) {
		row("resource "+name, strings.Join(v.Resources[name], " "))
	}
	for _, name := range slices.Sorted(maps.Keys(v.Limits)) {
		row("limit "+name, v.Limits[name])
	}
	row("created", moment(v.CreatedAt.Time()))
	row("not before", moment(v.NotBefore.Time()))
	row("expires", moment(v.ExpiresAt.Time()))
	row("revoked", moment(v.RevokedAt.Time()))
	row("successor", v.Successor)
	return t.Flush()
}

func newTable(w io.Writer) *tabwriter.Writer {
	return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
}

// moment writes a time in UTC (RFC 3339), the zero time as nothing.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// cell writes a dash for an empty text.
func cell(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
