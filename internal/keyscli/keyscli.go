package keyscli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// Short says in one line what the command does.
const Short = "Creates, imports, lists, checks, rotates and revokes API keys"

const long = `Manages the keys that an ingest_auth gate accepts, in the key file that the
gate reads (--file), in Vault (--vault), or in the source that the configuration of a gate names
(--config).

Only the SHA-256 of a key is stored. A key is shown once, when it is made. Commands
that need a key read it from standard input. Never give a key as an argument: others
can see arguments, and they stay in the history of the shell.

For Vault, set the same variables as for its own command line: VAULT_ADDR,
VAULT_TOKEN (or the token that "vault login" wrote to ~/.vault-token),
VAULT_NAMESPACE, VAULT_CACERT and so on. The token needs the policy
docs/vault-policy-admin.hcl.

Write times as 2027-01-31T12:00:00Z, as 2027-01-31 (midnight UTC), or as the time
from now: 90m, 24h, 30d.`

const example = `  ingest-auth ingest-keys create --file keys.json --account acme --scope events:write
  ingest-auth ingest-keys list   --vault --account acme
  ingest-auth ingest-keys rotate --vault key_4z7qk2m5x3ta6wne --overlap 24h`

// Setup returns a function that turns a command into ingest-keys, with all its subcommands. The
// exit code is 0, or 1 if there is an error, if the checked key does not work, or if the audit
// has found something.
func Setup(configured OpenConfigured) func(cmd *cobra.Command) {
	return func(cmd *cobra.Command) { setup(cmd, time.Now, configured) }
}

// OpenConfigured opens the store of the source in a configuration file. It is closed if it
// is an io.Closer.
type OpenConfigured func(ctx context.Context, path string) (keysync.Store, error)

// cli is what the subcommands share.
type cli struct {
	now        func() time.Time
	target     target
	configured OpenConfigured
}

func setup(cmd *cobra.Command, now func() time.Time, configured OpenConfigured) {
	c := &cli{now: func() time.Time { return now().UTC().Truncate(time.Second) }, configured: configured}
	cmd.Short, cmd.Long, cmd.Example = Short, long, example
	cmd.Args, cmd.DisableFlagsInUseLine = cobra.ArbitraryArgs, true
	cmd.RunE = unknownCommand
	cmd.SetFlagErrorFunc(flagError)
	cmd.SetHelpTemplate(new(cobra.Command).HelpTemplate()) // without Caddy's footer
	c.target.flags(cmd.PersistentFlags())
	cmd.AddCommand(c.create(), c.importKeys(), c.list(), c.show(), c.verify(), c.rotate(), c.revoke(), c.audit())
}

// unknownCommand does not quote the argument, which may be a key.
func unknownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	var names []string
	for _, sub := range cmd.Commands() {
		names = append(names, sub.Name())
	}
	return fmt.Errorf("unknown command; use one of %s", strings.Join(names, ", "))
}

// flagError quotes nothing of the command line except flag names.
func flagError(_ *cobra.Command, err error) error {
	if _, ok := errors.AsType[*pflag.NotExistError](err); ok && strings.HasPrefix(err.Error(), "unknown shorthand") {
		return errors.New("the only flag of one letter is -h")
	}
	if e, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return fmt.Errorf("--%s: it does not take this value", e.GetFlag().Name)
	}
	return err
}

// noArguments accepts no arguments. Like oneKeyID it quotes nothing.
func noArguments(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return errors.New("takes no argument; write a key to standard input, and everything else as a flag")
	}
	return nil
}

func oneKeyID(_ *cobra.Command, args []string) error {
	if len(args) != 1 {
		return errors.New("takes one argument, the key ID; `ingest-keys list` shows them")
	}
	if keysync.CheckKey([]byte(args[0])) != keysync.KeyForeign {
		return errors.New("takes a key ID, but this is a key, and others may have seen it now; find its ID with `ingest-keys verify` and rotate it")
	}
	return nil
}
