package assertion

import "time"

// maxLead is how long a key is published before its first use, unless keys rotate
// so fast that a quarter of their life is shorter. Clients keep a key set for
// minutes.
const maxLead = 10 * time.Minute

// schedule decides when keys come and go. Its functions take keys with the oldest first,
// and do not change them.
type schedule struct {
	rotate time.Duration
	ttl    time.Duration
	lead   time.Duration
	poll   time.Duration
}

func newSchedule(o Options) schedule {
	lead := min(maxLead, o.Rotate/4)
	return schedule{rotate: o.Rotate, ttl: o.TTL, lead: lead, poll: lead / 10}
}

// rotationDue reports whether a successor of the newest key must be published.
func (s schedule) rotationDue(keys []*key, now time.Time) bool {
	return len(keys) == 0 || !now.Before(s.publishNext(keys))
}

// publishNext returns when the successor of the newest key must be published.
func (s schedule) publishNext(keys []*key) time.Time {
	return keys[len(keys)-1].signsFrom.Add(s.rotate - s.lead - s.poll)
}

// newestSigns reports whether the newest key may already sign. Only then an early
// rotation can replace it.
func (s schedule) newestSigns(keys []*key, now time.Time) bool {
	return len(keys) == 0 || !now.Before(keys[len(keys)-1].signsFrom)
}

// add appends k as the newest key. It signs when it has been published for long enough,
// or at once if it is the first.
func (s schedule) add(keys []*key, k *key, now time.Time) []*key {
	now = now.UTC().Truncate(time.Millisecond)
	k.created, k.signsFrom = now, now
	if len(keys) > 0 {
		k.signsFrom = now.Add(s.lead + s.poll)
	}
	return append(keys, k)
}

// settle sets the retirement of keys that have a successor and removes those whose
// time is over. It reports whether anything changed.
func (s schedule) settle(keys []*key, now time.Time) ([]*key, bool) {
	var kept []*key
	changed := false
	for i, k := range keys {
		newest := i == len(keys)-1
		if !newest && k.retire.Before(s.retirement(keys[i+1])) {
			superseded := *k
			superseded.retire = s.retirement(keys[i+1])
			k, changed = &superseded, true
		}
		if !newest && !now.Before(k.retire) {
			changed = true
			continue
		}
		kept = append(kept, k)
	}
	return kept, changed
}

// retirement returns when the predecessor of successor is removed: when the last
// token it signed has expired, also on an instance that took lead longer to
// change over.
func (s schedule) retirement(successor *key) time.Time {
	return successor.signsFrom.Add(s.ttl + s.lead)
}

// usableFrom returns when this instance may sign with k: once it has published k
// for lead, but no later than lead after signsFrom, because the predecessor is
// soon removed.
func (s schedule) usableFrom(k *key) time.Time {
	from := k.seen.Add(s.lead)
	if latest := k.signsFrom.Add(s.lead); from.After(latest) {
		return latest
	}
	if from.Before(k.signsFrom) {
		return k.signsFrom
	}
	return from
}

// active returns the key to sign with: the newest that is usable, or else the
// oldest there is.
func (s schedule) active(keys []*key, now time.Time) *key {
	for i := len(keys) - 1; i > 0; i-- {
		if !now.Before(s.usableFrom(keys[i])) {
			return keys[i]
		}
	}
	return keys[0]
}

// wake returns when the keys must be checked again: when a key must be published or
// removed, and after poll at the latest.
func (s schedule) wake(keys []*key, now time.Time) time.Time {
	next := now.Add(s.poll)
	due := []time.Time{s.publishNext(keys)}
	for _, k := range keys {
		due = append(due, k.retire)
	}
	for _, t := range due {
		if t.After(now) && t.Before(next) {
			next = t
		}
	}
	return next
}
