package await_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
)

func TestThatReturnsOnceItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		await.That(t, "ten seconds", func() bool { return time.Since(began) >= 10*time.Second })
		if took := time.Since(began); took > 11*time.Second {
			t.Errorf("it waited %v", took)
		}
	})
}

// failing is a test that notes why it fails.
type failing struct {
	testing.TB
	why string
}

func (f *failing) Helper() {}

func (f *failing) Fatalf(format string, args ...any) {
	f.why = fmt.Sprintf(format, args...)
	panic(f)
}

func TestThatSaysWhatNeverCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(failing)
		defer func() {
			if recover() != f || f.why != "timed out waiting for: a miracle" {
				t.Errorf("it says %q", f.why)
			}
		}()
		await.That(f, "a miracle", func() bool { return false })
	})
}
