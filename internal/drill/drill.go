// Package drill lets tests do more in a drill than in `make test`: thousands of clients,
// hundreds of reloads, minutes under load. What they check is the same.
package drill

import (
	"os"
	"testing"
)

// Env is the environment variable that makes a drill of a test run; `make drills` sets it.
const Env = "INGEST_AUTH_DRILLS"

// On reports whether this is a drill.
func On() bool { return os.Getenv(Env) != "" }

// Size returns how much a test does: full in a drill, else usual.
func Size[T any](usual, full T) T {
	if On() {
		return full
	}
	return usual
}

// Only skips a test that cannot do with less, unless this is a drill.
func Only(tb testing.TB) {
	tb.Helper()
	if !On() {
		tb.Skip("a drill: run `make drills`")
	}
}
