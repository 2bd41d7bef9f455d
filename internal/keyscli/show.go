package keyscli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

func (c *cli) show() *cobra.Command {
	var asJSON, digest bool
	cmd := &cobra.Command{
		Use:   "show KEY_ID",
		Short: "Shows the record of a key",
		Long: `Shows the record of a key. The key itself is not stored and cannot be shown; its
SHA-256 is shown with --digest.`,
		Example: `  ingest-auth ingest-keys show --vault key_4z7qk2m5x3ta6wne
  ingest-auth ingest-keys show --file keys.json key_4z7qk2m5x3ta6wne --json | jq .scopes`,
		Args: oneKeyID,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.store(cmd, mustExist, func(ctx context.Context, s keysync.Store) error {
				e, err := find(ctx, s, args[0])
				if err != nil {
					return err
				}
				v := view{State: e.Record.State(c.now()).String(), Record: e.Record}
				if digest {
					v.Digest = e.Digest.String()
				}
				if asJSON {
					return printJSON(cmd.OutOrStdout(), v)
				}
				return printRecord(cmd.OutOrStdout(), v)
			})
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	cmd.Flags().BoolVar(&digest, "digest", false, "also show the SHA-256 of the key")
	return cmd
}
