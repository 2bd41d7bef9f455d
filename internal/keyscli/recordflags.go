package keyscli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// recordFlags are the fields of a record as flags.
type recordFlags struct {
	account, mode, env   string
	scopes               []string
	resources, limits    []string // name=value
	notBefore, expiresAt string
}

func (r *recordFlags) flags(f *pflag.FlagSet) {
	f.StringVar(&r.account, "account", "", "the `NAME` of the account the key belongs to")
	f.StringVar(&r.mode, "mode", "", "the `MODE`: live (default) or test")
	f.StringVar(&r.env, "env", "", "the `NAME` of the environment the key belongs to, such as production")
	f.StringArrayVar(&r.scopes, "scope", nil, "a `SCOPE`: what the key may do, such as events:write (repeatable)")
	f.StringArrayVar(&r.resources, "resource", nil, "a resource that the key is valid for, as `NAME=VALUE`; * is all (repeatable)")
	f.StringArrayVar(&r.limits, "limit", nil, "a rate that replaces the gate's, as `NAME=RATE`, such as key=100/1m (repeatable)")
	f.StringVar(&r.notBefore, "not-before", "", "the `TIME` from which the key works (default now)")
	f.StringVar(&r.expiresAt, "expires", "", "the `TIME` from which the key no longer works (default never)")
}

// record returns the record that the flags describe, without a key ID.
func (r *recordFlags) record(now time.Time) (*keysync.Record, error) {
	rec := &keysync.Record{Account: r.account, Mode: r.mode, Env: r.env, Scopes: r.scopes, CreatedAt: keysync.MomentOf(now)}
	notBefore, err := parseMoment(r.notBefore, now)
	if err != nil {
		return nil, fmt.Errorf("--not-before: %w", err)
	}
	expiresAt, err := parseExpiry(r.expiresAt, now)
	if err != nil {
		return nil, err
	}
	rec.NotBefore, rec.ExpiresAt = keysync.MomentOf(notBefore), keysync.MomentOf(expiresAt)
	for _, text := range r.resources {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return nil, errors.New("--resource: write NAME=VALUE, such as project=p1")
		}
		if rec.Resources == nil {
			rec.Resources = make(map[string][]string)
		}
		rec.Resources[name] = append(rec.Resources[name], value)
	}
	for _, text := range r.limits {
		name, rate, ok := strings.Cut(text, "=")
		if _, twice := rec.Limits[name]; !ok || twice {
			return nil, errors.New("--limit: write NAME=RATE, such as key=100/1m, and each name once")
		}
		if rec.Limits == nil {
			rec.Limits = make(map[string]string)
		}
		rec.Limits[name] = rate
	}
	return rec, nil
}

func parseExpiry(text string, now time.Time) (time.Time, error) {
	t, err := parseMoment(text, now)
	if err != nil {
		return t, fmt.Errorf("--expires: %w", err)
	}
	if !t.IsZero() && !t.After(now) {
		return t, errors.New("--expires: this time has passed")
	}
	return t, nil
}

// checkRecord reads the record as a gateway does, so that a mistake is found
// before anything is made. It also sets the defaults of a record.
func checkRecord(rec *keysync.Record) (*keysync.Record, error) {
	b, err := json.Marshal(rec)
	if err != nil {
		return nil, fmt.Errorf("encoding the record: %w", err)
	}
	return parseRecord(b)
}

// parseRecord leaves out the line number, which counts within the record.
func parseRecord(b []byte) (*keysync.Record, error) {
	rec, err := keysync.ParseRecord(b)
	if e, ok := errors.AsType[*keysync.RecordError](err); ok {
		if e.Field == "" {
			return nil, errors.New(e.Problem)
		}
		return nil, fmt.Errorf("%s %s", e.Field, e.Problem)
	}
	return rec, err
}
