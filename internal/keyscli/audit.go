package keyscli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

const (
	day      = 24 * time.Hour
	longGone = 90 * day
	longUsed = 365 * day
)

// finding is something that somebody should look at.
type finding struct {
	Problem string `json:"problem"` // malformed, expired, or old
	KeyID   string `json:"key_id,omitempty"`
	Account string `json:"account,omitempty"`
	Digest  string `json:"digest,omitempty"` // if the key ID is unknown
	Detail  string `json:"detail"`
}

func (c *cli) audit() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Finds records that are malformed, and keys that are long expired or old",
		Long: `Reads all records and finds
  malformed  records that cannot be read; requests with such a key are answered
             as in an outage
  expired    keys that expired more than 90 days ago
  old        keys that work and were created more than a year ago: rotate them
The exit code is 1 if anything was found.`,
		Example: `  ingest-auth ingest-keys audit --vault
  ingest-auth ingest-keys audit --vault --json | jq -r 'select(.problem == "old") | .key_id'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.store(cmd, mustExist, func(ctx context.Context, s keysync.Store) error {
				return c.runAudit(ctx, cmd, s, asJSON)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object per line")
	return cmd
}

func (c *cli) runAudit(ctx context.Context, cmd *cobra.Command, s keysync.Store, asJSON bool) error {
	var found []finding
	records, undated, now := 0, 0, c.now()
	for e, err := range s.List(ctx) {
		if err != nil && !errors.Is(err, keysync.ErrUnusable) {
			return fmt.Errorf("listing keys: %w", err)
		}
		records++
		if err == nil && e.Record.CreatedAt == 0 {
			undated++
		}
		if f, ok := examine(e, err, now); ok {
			found = append(found, f)
		}
	}
	if err := printFindings(cmd, found, asJSON); err != nil {
		return err
	}
	if undated > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d of %d records have no created_at: the age of these keys is unknown\n", undated, records)
	}
	if len(found) > 0 {
		return fmt.Errorf("the audit found %d problems in %d records", len(found), records)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "%d records, no problems\n", records)
	return nil
}

// examine judges one record, or the error of reading it.
func examine(e keysync.Entry, err error, now time.Time) (finding, bool) {
	if err != nil {
		return finding{Problem: "malformed", Digest: e.Digest.String(), Detail: err.Error()}, true
	}
	f := finding{KeyID: e.Record.KeyID, Account: e.Record.Account}
	state := e.Record.State(now)
	switch {
	case state == keysync.StateExpired && now.Sub(e.Record.ExpiresAt.Time()) > longGone:
		f.Problem, f.Detail = "expired", "at "+moment(e.Record.ExpiresAt.Time())
	case state == keysync.StateActive && e.Record.CreatedAt != 0 && now.Sub(e.Record.CreatedAt.Time()) > longUsed:
		f.Problem, f.Detail = "old", "created at "+moment(e.Record.CreatedAt.Time())
	default:
		return finding{}, false
	}
	return f, true
}

func printFindings(cmd *cobra.Command, found []finding, asJSON bool) error {
	if asJSON {
		for _, f := range found {
			if err := printJSON(cmd.OutOrStdout(), f); err != nil {
				return err
			}
		}
		return nil
	}
	if len(found) == 0 {
		return nil
	}
	t := newTable(cmd.OutOrStdout())
	fmt.Fprintln(t, "PROBLEM\tKEY ID\tACCOUNT\tDETAIL")
	for _, f := range found {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", f.Problem, cell(f.KeyID), cell(f.Account), f.Detail)
	}
	return t.Flush()
}
