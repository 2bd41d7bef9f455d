package config

import (
	"fmt"
	"time"
)

// Rate is a number of units in a window of time. It is written "1000/1m": a
// positive whole number, a slash, and a whole number with one unit of ms, s, m, h
// or d. Records write their rates in the same form.
type Rate struct {
	N      int64
	Window time.Duration
}

// maxWindow is the longest window: a year with a day to spare.
const maxWindow = 366 * 24 * time.Hour

// ParseRate reads a rate such as "1000/1m". N is at most 999,999,999, the window
// at most 366 days. It does not allocate unless it fails.
func ParseRate(s string) (Rate, error) {
	n, rest := wholeNumber(s, 9)
	if n == 0 || rest == "" || rest[0] != '/' {
		return Rate{}, errRate(s)
	}
	length, name := wholeNumber(rest[1:], 6)
	unit := rateUnit(name)
	if length == 0 || unit == 0 {
		return Rate{}, errRate(s)
	}
	if length > int64(maxWindow/unit) {
		return Rate{}, fmt.Errorf("rate %q: the window must not be longer than 366d", s)
	}
	return Rate{N: n, Window: time.Duration(length) * unit}, nil
}

func errRate(s string) error {
	return fmt.Errorf("%q is not a rate; write a positive number and a window, such as 1000/1m, 5/10s or 600/1h", s)
}

// wholeNumber reads the number at the start of s, without leading zeros and with at most
// so many digits, and returns the rest of s. It returns 0 if there is no number.
func wholeNumber(s string, digits int) (n int64, rest string) {
	i := 0
	for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
		if i == digits || s[0] == '0' {
			return 0, s
		}
		n = 10*n + int64(s[i]-'0')
	}
	return n, s[i:]
}

func rateUnit(name string) time.Duration {
	switch name {
	case "ms":
		return time.Millisecond
	case "s":
		return time.Second
	case "m":
		return time.Minute
	case "h":
		return time.Hour
	case "d":
		return 24 * time.Hour
	}
	return 0
}

// String returns the rate as it is written, with the largest unit that fits.
func (r Rate) String() string {
	for _, unit := range []string{"d", "h", "m", "s"} {
		if d := rateUnit(unit); r.Window%d == 0 {
			return fmt.Sprintf("%d/%d%s", r.N, r.Window/d, unit)
		}
	}
	return fmt.Sprintf("%d/%dms", r.N, r.Window.Milliseconds())
}

// MarshalText writes the rate.
func (r Rate) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads a rate.
func (r *Rate) UnmarshalText(b []byte) (err error) {
	*r, err = ParseRate(string(b))
	return err
}
