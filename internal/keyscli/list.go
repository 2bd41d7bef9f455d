package keyscli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

var states = []string{
	keysync.StateActive.String(), keysync.StateExpired.String(),
	keysync.StateRevoked.String(), keysync.StateNotYetValid.String(),
}

// filter says which records are listed. Empty fields match everything.
type filter struct {
	account, mode, env, state string
}

func (f filter) check() error {
	if f.mode != "" && f.mode != keysync.ModeLive && f.mode != keysync.ModeTest {
		return errors.New("--mode: must be live or test")
	}
	if f.state != "" && !slices.Contains(states, f.state) {
		return fmt.Errorf("--state: must be one of %s", strings.Join(states, ", "))
	}
	return nil
}

func (f filter) matches(v view) bool {
	return is(f.account, v.Account) && is(f.mode, v.Mode) && is(f.env, v.Env) && is(f.state, v.State)
}

func is(want, got string) bool { return want == "" || want == got }

func (c *cli) list() *cobra.Command {
	var f filter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists keys",
		Long: `Lists keys, as a table or with --json as one JSON object per line. Filters can be
combined.`,
		Example: `  ingest-auth ingest-keys list --file keys.json --account acme --state active
  ingest-auth ingest-keys list --vault --json | jq -r 'select(.expires_at < "2027") | .key_id'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return c.store(cmd, mustExist, func(ctx context.Context, s keysync.Store) error {
				return c.printList(ctx, cmd, s, f, asJSON)
			})
		},
	}
	cmd.Flags().StringVar(&f.account, "account", "", "only keys of the account `NAME`")
	cmd.Flags().StringVar(&f.mode, "mode", "", "only keys of `MODE` live or test")
	cmd.Flags().StringVar(&f.env, "env", "", "only keys of the environment `NAME`")
	cmd.Flags().StringVar(&f.state, "state", "", "only keys in `STATE` "+strings.Join(states, ", "))
	cmd.Flags().BoolVar(&asJSON, "json", false, "write one JSON object per line")
	return cmd
}

func (c *cli) printList(ctx context.Context, cmd *cobra.Command, s keysync.Store, f filter, asJSON bool) error {
	out, unusable, now := newListWriter(cmd.OutOrStdout(), asJSON), 0, c.now()
	for e, err := range s.List(ctx) {
		if errors.Is(err, keysync.ErrUnusable) {
			unusable++
			continue
		}
		if err != nil {
			return fmt.Errorf("listing keys: %w", err)
		}
		v := view{State: e.Record.State(now).String(), Record: e.Record}
		if !f.matches(v) {
			continue
		}
		if err := out.row(v); err != nil {
			return err
		}
	}
	if unusable > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d records cannot be read and are not listed; see `ingest-keys audit`\n", unusable)
	}
	return out.flush()
}
