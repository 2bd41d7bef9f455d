package keysync

import (
	"bytes"
	"errors"
	"time"
)

// Moment is a point in time, in microseconds since the Unix epoch. Zero means no time. A
// record has four of them, and each needs a third of the memory of a time.Time.
//
// As text it is RFC 3339, in UTC, from 1970 to 9999.
type Moment int64

var errMoment = errors.New("must be a time such as 2026-01-31T12:00:00Z (RFC 3339)")

// latest is the last moment that can be written as text.
var latest = Moment(time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro() - 1)

// MomentOf returns t, cut to microseconds. Times up to the epoch become the first moment
// after it. Times too late to be written as text become latest. The zero time becomes
// zero.
func MomentOf(t time.Time) Moment {
	if t.IsZero() {
		return 0
	}
	return min(max(1, Moment(t.UnixMicro())), latest)
}

// Time returns m in UTC, or the zero time.
func (m Moment) Time() time.Time {
	if m == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(m)).UTC()
}

// MarshalText implements encoding.TextMarshaler.
func (m Moment) MarshalText() ([]byte, error) {
	return m.Time().MarshalText()
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Moment) UnmarshalText(text []byte) error {
	var t time.Time
	err := t.UnmarshalText(text)
	if err != nil {
		err = t.UnmarshalText(bytes.ToUpper(text)) // RFC 3339 allows t and z, package time does not
	}
	if err != nil || t.UTC().Year() < 1970 || t.UTC().Year() > 9999 {
		return errMoment
	}
	*m = MomentOf(t)
	return nil
}

// String returns m as text, or "none".
func (m Moment) String() string {
	if m == 0 {
		return "none"
	}
	return m.Time().Format(time.RFC3339Nano)
}
