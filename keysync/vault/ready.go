package vault

import "errors"

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
