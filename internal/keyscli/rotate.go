package keyscli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

var errRotated = errors.New("the key already has a successor; see its ID with `ingest-keys show`, and rotate that one")

func (c *cli) rotate() *cobra.Command {
	var id, overlap, expires string
	var give handout
	cmd := &cobra.Command{
		Use:   "rotate KEY_ID",
		Short: "Makes a successor of a key and sets an end for the old key",
		Long: `Makes a new key with the record of an old one and shows it once, as create does.
The old key works until the overlap is over, or until its own expiry if that is
earlier. Its record names the successor.

The new key gets the old key's expiry, or the one from --expires.`,
		Example: `  ingest-auth ingest-keys rotate --vault key_4z7qk2m5x3ta6wne --overlap 24h
  ingest-auth ingest-keys rotate --vault key_4z7qk2m5x3ta6wne --overlap 7d --expires 365d --out acme.key`,
		Args: oneKeyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			wait, err := config.ParseDuration(overlap)
			if err != nil || wait < 0 {
				return errors.New("--overlap: write how long the old key keeps working, such as 24h or 7d")
			}
			now := c.now()
			expiry, err := parseExpiry(expires, now)
			if err != nil {
				return err
			}
			return c.store(cmd, mustExist, func(ctx context.Context, s keysync.Store) error {
				old, err := find(ctx, s, args[0])
				if err != nil {
					return err
				}
				rec, err := successor(old.Record, now, expiry)
				if err != nil {
					return err
				}
				if rec.KeyID = id; id == "" {
					rec.KeyID = newKeyID(defaultIDPrefix)
				}
				r := rotation{old: old, end: now.Add(time.Duration(wait)), now: now}
				return r.run(ctx, cmd, s, rec, give)
			})
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "the `KEY_ID` of the new key (default: random)")
	cmd.Flags().StringVar(&overlap, "overlap", "24h", "how long the old key keeps working, as a `TIME` such as 24h")
	cmd.Flags().StringVar(&expires, "expires", "", "the `TIME` from which the new key no longer works (default: as the old key)")
	give.flags(cmd)
	return cmd
}

// successor returns the record of the new key, without its ID. A zero expiry
// means that of the old key.
func successor(old *keysync.Record, now, expiry time.Time) (*keysync.Record, error) {
	if old.Successor != "" {
		return nil, errRotated
	}
	if old.State(now) == keysync.StateRevoked {
		return nil, errors.New("the key is revoked; create another")
	}
	rec := *old
	rec.CreatedAt, rec.RevokedAt = keysync.MomentOf(now), 0
	if !rec.NotBefore.Time().After(now) {
		rec.NotBefore = 0
	}
	if !expiry.IsZero() {
		rec.ExpiresAt = keysync.MomentOf(expiry)
	}
	if rec.State(now) == keysync.StateExpired {
		return nil, errors.New("the key has expired; give the expiry of the new key with --expires")
	}
	return &rec, nil
}

// rotation replaces an old key.
type rotation struct {
	old      keysync.Entry
	end, now time.Time // when the old key ends
}

// run stores the new key before it sets the end of the old one: whatever fails, the
// client has a working key.
func (r rotation) run(ctx context.Context, cmd *cobra.Command, s keysync.Store, rec *keysync.Record, give handout) error {
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
	failed := r.endOld(ctx, s, rec.KeyID)
	if errors.Is(failed, errRotated) {
		undo()
		return errors.Join(failed, revokeUnused(ctx, s, entry, r.now))
	}
	err = give.give(cmd, view{Key: key, State: entry.Record.State(r.now).String(), Record: entry.Record})
	if failed != nil {
		id := r.old.Record.KeyID
		failed = fmt.Errorf("the new key works and was handed out, but setting the end of the old key failed: %w. Run `ingest-keys revoke %s --at %s`", failed, id, moment(r.end))
	}
	return errors.Join(err, failed)
}

// endOld writes the successor into the old record, and sets the end of the old key.
func (r rotation) endOld(ctx context.Context, s keysync.Store, successor string) error {
	_, err := s.Update(ctx, r.old.Digest, func(old *keysync.Record) error {
		if old.Successor != "" && old.Successor != successor {
			return errRotated
		}
		old.Successor = successor
		if end := keysync.MomentOf(r.end); old.ExpiresAt == 0 || old.ExpiresAt > end {
			old.ExpiresAt = end
		}
		return nil
	})
	return err
}

// revokeUnused revokes a new key that was not handed out, because somebody else has
// rotated the old key at the same time.
func revokeUnused(ctx context.Context, s keysync.Store, e keysync.Entry, now time.Time) error {
	_, err := s.Update(ctx, e.Digest, func(r *keysync.Record) error {
		r.RevokedAt = keysync.MomentOf(now)
		return nil
	})
	if err != nil {
		return fmt.Errorf("revoking %s, which was not handed out: %w; revoke it with `ingest-keys revoke`", e.Record.KeyID, err)
	}
	return nil
}
