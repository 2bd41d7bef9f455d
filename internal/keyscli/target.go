package keyscli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.uber.org/zap"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
	"github.com/ingestauth/caddy-ingest-auth/keysync/file"
	"github.com/ingestauth/caddy-ingest-auth/keysync/vault"
)

const (
	// loginTimeout limits the wait for Vault at the start.
	loginTimeout = 15 * time.Second

	// readTimeout is for one record in Vault: no client waits for it.
	readTimeout = 10 * time.Second

	// tolerableSkew is how far our clock and Vault's may differ without a warning.
	tolerableSkew = 30 * time.Second
)

// target says where the keys are.
type target struct {
	file   string
	config string
	vault  bool
	mount  string
	prefix string
	auth   vault.Auth
}

func (t *target) flags(f *pflag.FlagSet) {
	f.StringVar(&t.file, "file", "", "the `PATH` of the key file")
	f.StringVar(&t.config, "config", "", "the `PATH` of a Caddyfile or JSON configuration; its key source is used")
	f.BoolVar(&t.vault, "vault", false, "keys are in Vault; see the VAULT_* environment variables")
	f.StringVar(&t.mount, "vault-mount", "", "the `PATH` where the KV engine, version 2, is mounted (default secret)")
	f.StringVar(&t.prefix, "vault-prefix", "", "the `PATH` of the records below the mount (default ingest/keys)")
	f.StringVar(&t.auth.Method, "vault-auth", "", "the `METHOD` to log in: token (default), token_file, approle or kubernetes")
	f.StringVar(&t.auth.Role, "vault-role", "", "the `ROLE` ID (approle) or the name of the role (kubernetes)")
	f.StringVar(&t.auth.File, "vault-auth-file", "", "the `PATH` of the token (token_file), secret ID (approle) or JWT (kubernetes)")
}

// mayBeAbsent says what to do if there is no key file yet.
type mayBeAbsent bool

const (
	mustExist mayBeAbsent = false
	mayExist  mayBeAbsent = true
)

// store calls do with the store that the flags name. The returned error has advice in it.
func (c *cli) store(cmd *cobra.Command, absent mayBeAbsent, do func(ctx context.Context, s keysync.Store) error) error {
	if !c.target.isOne() {
		return errors.New("say where the keys are: give one of --file PATH, --vault and --config PATH")
	}
	switch {
	case c.target.file != "":
		return c.target.fileStore(cmd, absent, do)
	case c.target.config != "":
		return c.configuredStore(cmd, do)
	}
	opts, err := c.target.vaultOptions()
	if err != nil {
		return err
	}
	v, err := vault.New(opts, zap.NewNop())
	if err != nil {
		return err
	}
	defer v.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), loginTimeout)
	defer cancel()
	if err := v.Wait(ctx); err != nil {
		return advise(err)
	}
	warnOfSkew(cmd, v)
	return advise(do(cmd.Context(), v))
}

// isOne reports whether the flags name one place.
func (t *target) isOne() bool {
	n := 0
	for _, named := range []bool{t.file != "", t.vault, t.config != ""} {
		if named {
			n++
		}
	}
	return n == 1
}

func (t *target) hasVaultFlags() bool {
	return t.mount != "" || t.prefix != "" || t.auth != (vault.Auth{})
}

// configuredStore uses the source of a configuration, of any kind.
func (c *cli) configuredStore(cmd *cobra.Command, do func(ctx context.Context, s keysync.Store) error) error {
	if c.target.hasVaultFlags() {
		return errors.New("the --vault-… flags need --vault, not --config")
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), loginTimeout)
	defer cancel()
	s, err := c.configured(ctx, c.target.config)
	if err != nil {
		return advise(err)
	}
	if closer, ok := s.(io.Closer); ok {
		defer closer.Close()
	}
	return advise(do(cmd.Context(), s))
}

func (t *target) fileStore(cmd *cobra.Command, absent mayBeAbsent, do func(ctx context.Context, s keysync.Store) error) error {
	if t.hasVaultFlags() {
		return errors.New("the --vault-… flags need --vault, not --file")
	}
	_, err := os.Stat(t.file)
	if errors.Is(err, fs.ErrNotExist) && absent == mustExist {
		return fmt.Errorf("key file %s does not exist; check the path, or make a new file with `ingest-keys create`", t.file)
	}
	return do(cmd.Context(), file.NewStore(t.file))
}

// vaultOptions uses the token that `vault login` wrote if VAULT_TOKEN is not set.
func (t *target) vaultOptions() (vault.Options, error) {
	opts := vault.Options{Mount: t.mount, Prefix: t.prefix, Timeout: readTimeout, Auth: t.auth}
	if cmp.Or(opts.Auth.Method, vault.Token) != vault.Token || os.Getenv(api.EnvVaultToken) != "" {
		return opts, nil
	}
	home, err := os.UserHomeDir()
	if err == nil {
		opts.Auth.Method, opts.Auth.File = vault.TokenFile, filepath.Join(home, ".vault-token")
		_, err = os.Stat(opts.Auth.File)
	}
	if err != nil {
		return opts, errors.New("no token for Vault was found; run `vault login`, set VAULT_TOKEN, or choose another --vault-auth")
	}
	return opts, nil
}

// warnOfSkew compares the clocks, because times from now use our clock.
func warnOfSkew(cmd *cobra.Command, v *vault.Source) {
	skew, err := v.ClockSkew(cmd.Context())
	if err != nil || skew.Abs() <= tolerableSkew {
		return
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Warning: the clock of this machine is %v %s Vault's: keys will start and stop working at the wrong time. Set the clock, or write times such as 2027-01-31T12:00:00Z.\n",
		skew.Abs().Round(time.Second), direction)
}
