package keyscli

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
)

// How many entries are written together. The change feed in Vault holds a
// thousand; a key file is written again as a whole each time.
const (
	pieceSize  = 1000
	filePieces = 25 // that make one for a file
)

func (c *cli) importKeys() *cobra.Command {
	var fields recordFlags
	var idPrefix string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Stores existing keys, read from standard input",
		Long: fmt.Sprintf(`Reads keys from standard input, one per line, and stores their digests with records.
A line is the key itself, or a JSON object with the key in the member "key" and
any fields of a record beside it:

  {"key":"…","account":"acme","scopes":["events:write"]}

The flags give the fields that a line leaves out. Each record needs an account.

A key has 1 to %d bytes. Write a key in JSON if it has white space, commas,
semicolons or bars in it or begins with {; use escapes such as \n and \u0000 where
needed. Keys of fewer than %d characters can be guessed: the command warns of them.
Replace them soon.

Empty lines, keys that are given twice and records that cannot be used are refused
with the number of the line, before anything is stored.

Keys that already have a record are left as they are. So to complete an import
that was interrupted, run it again.`, maxKey, minKey),
		Example: `  ingest-auth ingest-keys import --file keys.json --account acme --scope events:write < old-keys.txt
  ingest-auth ingest-keys import --vault --id-prefix legacy_ < old-keys.jsonl`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			defaults, err := fields.record(c.now())
			if err != nil {
				return err
			}
			return c.store(cmd, mayExist, func(ctx context.Context, s keysync.Store) error {
				in, err := readKeys(cmd.InOrStdin(), defaults, idPrefix)
				if err != nil {
					return fmt.Errorf("reading keys: %w; nothing has been stored", err)
				}
				fmt.Fprint(cmd.ErrOrStderr(), in.warning())
				ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
				defer stop()
				done, err := importAll(ctx, s, in.entries, pieceSize, newProgress(cmd.ErrOrStderr(), len(in.entries)))
				return errors.Join(done.print(cmd, asJSON), err)
			})
		},
	}
	fields.flags(cmd.Flags())
	cmd.Flags().StringVar(&idPrefix, "id-prefix", defaultIDPrefix, "the `TEXT` that new key IDs begin with")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the numbers as a JSON object")
	return cmd
}

// imported says what happened to the keys.
type imported struct {
	Keys     int `json:"keys"`     // read
	Imported int `json:"imported"` // stored now
	Existing int `json:"existing"` // had a record already
}

func (i imported) print(cmd *cobra.Command, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), i)
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%d keys: %d imported, %d already existed\n", i.Keys, i.Imported, i.Existing)
	return err
}

// importAll stores entries in pieces of a size, larger ones in a file.
func importAll(ctx context.Context, s keysync.Store, entries []keysync.Entry, size int, p *progress) (imported, error) {
	done := imported{Keys: len(entries)}
	defer p.end()
	there := asked(ctx, s)
	if file, ok := s.(*file.Store); ok {
		var err error
		if there, err = listed(ctx, file); err != nil {
			return done, fmt.Errorf("listing keys: %w", err)
		}
		size *= filePieces
	}
	for piece := range slices.Chunk(entries, size) {
		fresh, err := without(piece, there)
		var existing []keysync.Digest
		if err == nil && len(fresh) > 0 {
			existing, err = s.Create(ctx, fresh...)
		}
		if err != nil {
			return done, interrupted(ctx, err)
		}
		done.Existing += len(piece) - len(fresh) + len(existing)
		done.Imported += len(fresh) - len(existing)
		p.show(done.Imported + done.Existing)
	}
	return done, nil
}

func interrupted(ctx context.Context, err error) error {
	if errors.Is(err, keysync.ErrKeyIDTaken) {
		return fmt.Errorf("importing keys: %w; give it another key_id and run the command again; keys already stored are skipped", err)
	}
	if ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	return fmt.Errorf("importing keys: %w. Run the command again with the same input: keys already stored are skipped", err)
}

// isThere tells whether a digest has a record.
type isThere func(keysync.Digest) (bool, error)

// asked asks the store each time.
func asked(ctx context.Context, s keysync.Store) isThere {
	return func(d keysync.Digest) (bool, error) {
		_, err := s.Lookup(ctx, d)
		switch {
		case errors.Is(err, keysync.ErrUnknown):
			return false, nil
		case errors.Is(err, keysync.ErrUnusable):
			return true, nil
		}
		return err == nil, err
	}
}

// listed reads a key file once.
func listed(ctx context.Context, s *file.Store) (isThere, error) {
	digests := make(map[keysync.Digest]bool)
	for e, err := range s.List(ctx) {
		if err != nil {
			return nil, err
		}
		digests[e.Digest] = true
	}
	return func(d keysync.Digest) (bool, error) { return digests[d], nil }, nil
}

// askers is how many look-ups run at the same time.
const askers = 16

// without returns the entries that do not exist yet. Every entry has a new key ID, so
// Create would write a useless index for existing ones.
func without(piece []keysync.Entry, there isThere) ([]keysync.Entry, error) {
	known, errs := make([]bool, len(piece)), make([]error, len(piece))
	var wg sync.WaitGroup
	for first := range askers {
		wg.Go(func() {
			for i := first; i < len(piece); i += askers {
				known[i], errs[i] = there(piece[i].Digest)
			}
		})
	}
	wg.Wait()
	var fresh []keysync.Entry
	for i, e := range piece {
		if errs[i] != nil {
			return nil, errs[i]
		}
		if !known[i] {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}
