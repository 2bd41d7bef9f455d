package config

import (
	"encoding/json"
	"fmt"

	"github.com/dustin/go-humanize"
)

// Size is a number of bytes. It is written with a unit, "512KiB", "1MiB",
// "8MB", or as a bare number of bytes.
type Size int64

// maxSize is so small that adding two sizes cannot overflow.
const maxSize = 1 << 50

// ParseSize reads a size such as "1MiB".
func ParseSize(s string) (Size, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n == 0 || n > maxSize {
		return 0, fmt.Errorf("%q is not a size; write something like 64KiB, 1MiB or 1048576", s)
	}
	return Size(n), nil
}

// UnmarshalJSON reads a string with a unit, or a number of bytes.
func (s *Size) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("reading size: %w", err)
		}
	}
	v, err := ParseSize(text)
	if err != nil {
		return err
	}
	*s = v
	return nil
}
