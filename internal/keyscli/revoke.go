package keyscli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func (c *cli) revoke() *cobra.Command {
	var at string
	cmd := &cobra.Command{
		Use:   "revoke KEY_ID",
		Short: "Makes a key stop working",
		Long: `Makes a key stop working forever: at once, or at a given time. Gateways that follow
the change feed in Vault refuse it within about two seconds. The record stays, so
that logs can still be understood. Running it twice does no harm.`,
		Example: `  ingest-auth ingest-keys revoke --vault key_4z7qk2m5x3ta6wne
  ingest-auth ingest-keys revoke --vault key_4z7qk2m5x3ta6wne --at 2027-01-31T12:00:00Z`,
		Args: oneKeyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			now := c.now()
			when, err := parseMoment(at, now)
			if err != nil {
				return fmt.Errorf("--at: %w", err)
			}
			if when.IsZero() {
				when = now
			}
			return c.store(cmd, mustExist, func(ctx context.Context, s keysync.Store) error {
				return revokeAt(ctx, cmd, s, args[0], when, now)
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "the `TIME` from which the key is refused (default now)")
	return cmd
}

func revokeAt(ctx context.Context, cmd *cobra.Command, s keysync.Store, keyID string, when, now time.Time) error {
	e, err := find(ctx, s, keyID)
	if err != nil {
		return err
	}
	rec, err := s.Update(ctx, e.Digest, func(r *keysync.Record) error {
		if r.State(now) == keysync.StateRevoked {
			if when.After(now) {
				return errors.New("the key is already revoked, and that cannot be undone")
			}
			return nil // written again, so that the gateways are told
		}
		r.RevokedAt = keysync.MomentOf(when)
		return nil
	})
	if err != nil {
		return fmt.Errorf("revoking the key: %w; check with `ingest-keys show`, and run the command again if it is not revoked", err)
	}
	_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is refused from %s\n", rec.KeyID, moment(rec.RevokedAt.Time()))
	return err
}

// find returns the entry with a key ID. The error does not quote it: people
// mistake keys for their IDs.
func find(ctx context.Context, s keysync.Store, keyID string) (keysync.Entry, error) {
	e, err := s.Find(ctx, keyID)
	if errors.Is(err, keysync.ErrUnknown) {
		return e, errors.New("no key has this ID; `ingest-keys list` shows all, `ingest-keys audit` finds records that cannot be read")
	}
	if err != nil {
		return e, fmt.Errorf("looking for the key: %w", err)
	}
	return e, nil
}
