package redact

import (
	"strings"
	"testing"
	"time"
)

// TestManyPartsTakeLinearTime has paths of many short parts, each of which may begin base64 that
// reaches to the end. With the square of their number, these take minutes.
func TestManyPartsTakeLinearTime(t *testing.T) {
	t.Parallel()
	for _, part := range []string{"aGVsbG8gd29ybGQx/", "aGVsbG8gd29ybGQx+", "Ab1cd/"} {
		cleaned := make(chan string, 1)
		uri := "/" + strings.Repeat(part, 1<<20/len(part)) // as long as a head may be
		go func() { cleaned <- NewNames().URL(uri) }()
		select {
		case got := <-cleaned:
			if got != uri {
				t.Errorf("%s: was cleaned", part)
			}
		case <-time.After(30 * time.Second): // takes less than one
			t.Fatalf("%s: still at it", part)
		}
	}
}
