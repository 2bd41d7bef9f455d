package keyscli

import (
	"errors"
	"strings"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/config"
)

var errMoment = errors.New("write a time such as 2027-01-31T12:00:00Z or 2027-01-31 (UTC), or the time from now: 90m, 24h, 30d")

// parseMoment reads a time, a date, or a duration that counts from now. The
// empty text is the zero time.
func parseMoment(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if t, err := time.Parse(time.RFC3339, strings.ToUpper(text)); err == nil {
		return t.UTC(), nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, errMoment
	}
	return now.Add(time.Duration(d)), nil
}
