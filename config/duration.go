package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time. It is written as in Go, with days as an
// additional unit: "500ms", "90s", "1h30m", "7d". In JSON a bare number means
// nanoseconds, as everywhere in Caddy's configuration.
type Duration time.Duration

// ParseDuration reads a duration such as "90s", "1h30m" or "7d".
func ParseDuration(s string) (Duration, error) {
	rest, days := s, time.Duration(0)
	if n, after, ok := strings.Cut(s, "d"); ok {
		d, err := strconv.ParseUint(n, 10, 16)
		if err != nil {
			return 0, fmt.Errorf("%q is not a duration; write something like 500ms, 90s, 5m, 24h or 7d", s)
		}
		days, rest = time.Duration(d)*24*time.Hour, after
	}
	if rest == "" && days > 0 {
		return Duration(days), nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration; write something like 500ms, 90s, 5m, 24h or 7d", s)
	}
	return Duration(days + d), nil
}

// String returns the duration in Go's notation.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalJSON writes the duration as a string.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(d.String()) }

// UnmarshalJSON reads a string, or a number of nanoseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		var n int64
		if err := json.Unmarshal(b, &n); err != nil {
			return fmt.Errorf("a duration must be a string such as \"5m\" or a number of nanoseconds")
		}
		*d = Duration(n)
		return nil
	}
	v, err := ParseDuration(s)
	if err != nil {
		return err
	}
	*d = v
	return nil
}
