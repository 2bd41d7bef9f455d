package keysync

import (
	"slices"
	"time"
)

// The values of Record.Mode.
const (
	ModeLive = "live"
	ModeTest = "test"
)

// Record is what is known about the key of a digest. Records are shared between requests
// and are never changed after reading.
type Record struct {
	// KeyID is the public name of the key, safe in logs, metrics and tokens:
	// 1 to 128 letters, digits and "._:-".
	KeyID string `json:"key_id"`

	// Account is who the key belongs to.
	Account string `json:"account,omitempty"`

	// Mode is "live" (the default) or "test".
	Mode string `json:"mode,omitempty"`

	// Env is the environment the key belongs to, such as "production".
	Env string `json:"env,omitempty"`

	// Scopes are what the key may do, such as "events:write".
	Scopes []string `json:"scopes,omitempty"`

	// Resources holds, by resource name, the values the key is allowed for.
	// "*" allows every value.
	Resources map[string][]string `json:"resources,omitempty"`

	// Limits replaces configured rates, by limit name: {"key": "100/1m"}.
	Limits map[string]string `json:"limits,omitempty"`

	// CreatedAt is when the key was issued.
	CreatedAt Moment `json:"created_at,omitzero"`

	// NotBefore is the first moment the key is valid.
	NotBefore Moment `json:"not_before,omitzero"`

	// ExpiresAt is the first moment the key is no longer valid.
	ExpiresAt Moment `json:"expires_at,omitzero"`

	// RevokedAt is the moment from which the key is refused.
	RevokedAt Moment `json:"revoked_at,omitzero"`

	// Successor is the key ID of the key that replaces this one.
	Successor string `json:"successor,omitempty"`
}

// State says whether a key may be used.
type State uint8

// The states of a key. Only an active key may be used.
const (
	StateActive State = iota
	StateNotYetValid
	StateExpired
	StateRevoked
)

// String returns "active", "not_yet_valid", "expired" or "revoked".
func (s State) String() string {
	switch s {
	case StateActive:
		return "active"
	case StateNotYetValid:
		return "not_yet_valid"
	case StateExpired:
		return "expired"
	case StateRevoked:
		return "revoked"
	}
	return "invalid"
}

// State judges the validity times of the record at the moment now.
// A revocation in the future leaves the key active until then.
func (r *Record) State(now time.Time) State {
	at := Moment(now.UnixMicro())
	switch {
	case r.RevokedAt != 0 && at >= r.RevokedAt:
		return StateRevoked
	case r.ExpiresAt != 0 && at >= r.ExpiresAt:
		return StateExpired
	case at < r.NotBefore:
		return StateNotYetValid
	}
	return StateActive
}

// HasScope reports whether the record has scope s.
func (r *Record) HasScope(s string) bool {
	return slices.Contains(r.Scopes, s)
}

// Allows reports whether the key may be used for value of the named resource.
// A record that does not list the resource allows no value of it.
func (r *Record) Allows(resource, value string) bool {
	for _, v := range r.Resources[resource] {
		if v == "*" || v == value {
			return true
		}
	}
	return false
}
