package keyscli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// demand is what a key must be valid for.
type demand struct {
	scopes, resources []string
}

// verdict says whether a key works.
type verdict struct {
	Works  bool   `json:"works"`
	Reason string `json:"reason,omitempty"` // a word, if it does not
	Detail string `json:"detail,omitempty"`
	KeyID  string `json:"key_id,omitempty"`
	State  string `json:"state,omitempty"`
}

func (c *cli) verify() *cobra.Command {
	var want demand
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Tells whether a key works now, and if not, why",
		Long: `Reads a key from standard input, as it is or as {"key":"…"}, and tells whether it
works now. If not, the exit code is 1 and the reason is one of damaged, unknown,
not_yet_valid, expired, revoked, scope or resource. If the store cannot be read, the
command fails and writes no verdict.`,
		Example: `  ingest-auth ingest-keys verify --vault < acme.key
  ingest-auth ingest-keys verify --vault --scope events:write --resource project=p1 --json < acme.key`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.store(cmd, mustExist, func(ctx context.Context, s keysync.Store) error {
				v, err := c.judge(ctx, cmd, s, want)
				if err != nil {
					return err
				}
				return v.print(cmd, asJSON)
			})
		},
	}
	cmd.Flags().StringArrayVar(&want.scopes, "scope", nil, "a `SCOPE` the key must have (repeatable)")
	cmd.Flags().StringArrayVar(&want.resources, "resource", nil, "a resource that the key must be valid for, as `NAME=VALUE` (repeatable)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write a JSON object")
	return cmd
}

func (c *cli) judge(ctx context.Context, cmd *cobra.Command, s keysync.Store, want demand) (verdict, error) {
	if err := want.check(); err != nil {
		return verdict{}, err
	}
	key, err := readKey(cmd)
	if errors.Is(err, errDamaged) {
		return verdict{Reason: "damaged", Detail: "its checksum is wrong: a character is missing, added or wrong"}, nil
	}
	if err != nil {
		return verdict{}, err
	}
	rec, err := s.Lookup(ctx, keysync.DigestOf(key))
	if errors.Is(err, keysync.ErrUnknown) {
		return verdict{Reason: "unknown", Detail: "it has no record here"}, nil
	}
	if err != nil {
		return verdict{}, fmt.Errorf("cannot tell whether the key works: %w", err)
	}
	return c.judgeRecord(rec, want), nil
}

func (c *cli) judgeRecord(rec *keysync.Record, want demand) verdict {
	state := rec.State(c.now())
	v := verdict{KeyID: rec.KeyID, State: state.String()}
	switch state {
	case keysync.StateRevoked:
		v.Reason, v.Detail = state.String(), "since "+moment(rec.RevokedAt.Time())
	case keysync.StateExpired:
		v.Reason, v.Detail = state.String(), "since "+moment(rec.ExpiresAt.Time())
	case keysync.StateNotYetValid:
		v.Reason, v.Detail = state.String(), "until "+moment(rec.NotBefore.Time())
	default:
		v.Reason, v.Detail = want.missing(rec)
		v.Works = v.Reason == ""
	}
	if rec.Successor != "" && !v.Works {
		v.Detail += "; its successor is " + rec.Successor
	}
	return v
}

func (d demand) check() error {
	for _, r := range d.resources {
		if !strings.Contains(r, "=") {
			return errors.New("--resource: write NAME=VALUE, such as project=p1")
		}
	}
	return nil
}

// missing names the first thing the record lacks.
func (d demand) missing(rec *keysync.Record) (reason, detail string) {
	for _, s := range d.scopes {
		if !rec.HasScope(s) {
			return "scope", "it lacks " + s
		}
	}
	for _, r := range d.resources {
		name, value, _ := strings.Cut(r, "=")
		if !rec.Allows(name, value) {
			return "resource", "it is not valid for " + r
		}
	}
	return "", ""
}

func (v verdict) print(cmd *cobra.Command, asJSON bool) error {
	if asJSON {
		if err := printJSON(cmd.OutOrStdout(), v); err != nil {
			return err
		}
	}
	switch {
	case !v.Works && v.KeyID == "":
		return fmt.Errorf("the key does not work: %s: %s", v.Reason, v.Detail)
	case !v.Works:
		return fmt.Errorf("the key %s does not work: %s: %s", v.KeyID, v.Reason, v.Detail)
	case asJSON:
		return nil
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s works\n", v.KeyID)
	return err
}
