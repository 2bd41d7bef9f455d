package config

import (
	"encoding/json"
	"testing"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		`"1MiB"`: 1 << 20, `"64KiB"`: 64 << 10, `"8MB"`: 8_000_000, `1048576`: 1 << 20, `"12"`: 12,
	} {
		var s Size
		if err := json.Unmarshal([]byte(text), &s); err != nil || s != want {
			t.Errorf("%s = %d, %v; want %d", text, s, err, want)
		}
	}
	for _, text := range []string{`""`, `"0"`, `"-1"`, `-1`, `"1 elephant"`, `"900PB"`, `true`, `1.5.2`} {
		var s Size
		if err := json.Unmarshal([]byte(text), &s); err == nil {
			t.Errorf("%s = %d, want an error", text, s)
		}
	}
}
