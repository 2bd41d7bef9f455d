// Package await waits in tests for what others do: processes, goroutines, the clock.
package await

import (
	"testing"
	"time"
)

const (
	// limit is longer than anything should take, even on a busy machine.
	limit = time.Minute
	pause = 2 * time.Millisecond
)

// That waits until a condition holds, and fails the test if it never does.
func That(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !holds(); time.Sleep(pause) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}
