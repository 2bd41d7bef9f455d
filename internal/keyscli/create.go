package keyscli

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func (c *cli) create() *cobra.Command {
	var id string
	var fields recordFlags
	var give handout
	cmd := &cobra.Command{
		Use:   "create --account NAME",
		Short: "Makes a key and shows it, once",
		Long: `Makes a key, stores its digest with a record, and writes the key to standard
output and the record to standard error. The key is stored nowhere and cannot be
shown again. If storing it fails, nothing is written to standard output.`,
		Example: `  ingest-auth ingest-keys create --vault --account acme --scope events:write --resource project=p1 --expires 365d
  KEY=$(ingest-auth ingest-keys create --file keys.json --account acme --mode test --quiet)
  ingest-auth ingest-keys create --vault --account acme --limit key=100/1m --out acme.key`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rec, err := fields.record(c.now())
			if err != nil {
				return err
			}
			if rec.Account == "" {
				return errors.New("--account is missing: say who the key belongs to")
			}
			rec.KeyID = cmp.Or(id, newKeyID(defaultIDPrefix))
			return c.store(cmd, mayExist, func(ctx context.Context, s keysync.Store) error {
				return c.make(ctx, cmd, s, rec, give)
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "the `KEY_ID` (default: random)")
	fields.flags(cmd.Flags())
	give.flags(cmd)
	return cmd
}

// make makes a key for a record, stores it and hands it out.
func (c *cli) make(ctx context.Context, cmd *cobra.Command, s keysync.Store, rec *keysync.Record, give handout) error {
	entry, key, err := newEntry(rec)
	if err != nil {
		return err
	}
	undo, err := give.reserve(key)
	if err != nil {
		return err
	}
	if err := createOne(ctx, s, entry); err != nil {
		undo()
		return err
	}
	return give.give(cmd, view{Key: key, State: entry.Record.State(c.now()).String(), Record: entry.Record})
}

// newEntry makes a key for a record.
func newEntry(rec *keysync.Record) (keysync.Entry, string, error) {
	rec, err := checkRecord(rec)
	if err != nil {
		return keysync.Entry{}, "", err
	}
	key, err := keysync.NewKey(rec.Mode)
	if err != nil {
		return keysync.Entry{}, "", err
	}
	return keysync.Entry{Digest: keysync.DigestOf([]byte(key)), Record: rec}, key, nil
}

func createOne(ctx context.Context, s keysync.Store, e keysync.Entry) error {
	_, err := s.Create(ctx, e)
	switch {
	case errors.Is(err, keysync.ErrKeyIDTaken):
		return fmt.Errorf("storing the key: %w; choose another --id, or rotate the key that has it", keysync.ErrKeyIDTaken)
	case err != nil:
		return fmt.Errorf("storing the key: %[1]w. The key was not handed out: run the command again for another; if %[2]s has a record now (`ingest-keys show %[2]s`), revoke it", err, e.Record.KeyID)
	}
	return nil
}
