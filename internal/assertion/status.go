package assertion

import "time"

// Status says which key signs, and what follows it.
type Status struct {
	KeyID string        // of the key that signs; "" for HS256
	Age   time.Duration // how long it has signed

	// NextKeyID is the key that is published but does not sign yet; "" if there is none.
	NextKeyID string
	// NextAt is when the next key begins to sign. It is zero for HS256.
	NextAt time.Time
}

// Status returns the state of the signing keys at now.
func (s *Signer) Status(now time.Time) Status {
	if s.options.Algorithm == HS256 {
		return Status{}
	}
	keys := s.keys.Load().keys
	active, newest := s.schedule.active(keys, now), keys[len(keys)-1]
	st := Status{KeyID: active.id, Age: max(0, now.Sub(active.signsFrom))}
	if newest != active {
		st.NextKeyID, st.NextAt = newest.id, s.schedule.usableFrom(newest)
		return st
	}
	st.NextAt = newest.signsFrom.Add(s.schedule.rotate)
	return st
}
