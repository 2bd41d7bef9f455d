package vault

import (
	"errors"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

var errReadsFail = errors.New("records cannot be read; the log says why")

// Ready says why records cannot be read now: the problem with login or mount, or
// that reads have failed within the last seconds. It is nil while they can.
func (v *Source) Ready() error {
	if err := v.Problem(); err != nil {
		return err
	}
	if v.health.failing.Load() {
		return errReadsFail
	}
	return nil
}

// Status is the state of Vault, as far as it has been asked.
func (v *Source) Status() keysync.Status {
	s := keysync.Status{ChangesAt: v.changesRead(), Unusable: v.bad.count.Load()}
	if err := v.Ready(); err != nil {
		s.Problem, s.Public = err.Error(), "Vault cannot be read"
	} else if v.FoundNothing() {
		s.Warning = "no key has been found in Vault yet; check mount and prefix"
	}
	return s
}
