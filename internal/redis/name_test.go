package redis

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/redistest"
)

func TestName(t *testing.T) {
	s := redistest.Start(t)
	connect(t, Options{URL: "redis://" + s.Addr(), Name: "gate@höst 1\n"})
	if list := s.Command("CLIENT LIST TYPE normal"); !strings.Contains(list, " name=gate@h-st-1- ") {
		t.Errorf("clients:\n%s", list)
	}
}

// TestNameIsRefused: whatever a server says to a name, it is used without. An
// answer, whatever it is, does not cost the connection.
func TestNameIsRefused(t *testing.T) {
	s := redistest.Start(t, strings.Fields("--user gate on >pass ~* +incrby")...)
	addMany(t, connect(t, Options{URL: "redis://gate:pass@" + s.Addr(), Name: "gate"}))
	if list := s.Command("CLIENT LIST TYPE normal"); !strings.Contains(list, "user=gate") || strings.Contains(list, "name=gate") {
		t.Errorf("clients:\n%s", list)
	}
	if !strings.Contains(s.Command("INFO commandstats"), "cmdstat_client|setname:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1") {
		t.Error("the server was not asked, or has not refused")
	}
	for _, answer := range []string{
		"-ERR unknown command 'CLIENT'\r\n",
		"-NOPERM this user has no permissions to run the 'client|setname' command\r\n",
		"+QUEUED\r\n",
		"",        // hangs up
		"what?\n", // not Redis
	} {
		var named atomic.Int32
		c := connect(t, Options{Name: "gate", URL: "redis://" + redistest.Fake(t, func(words []string) string {
			if words[0] == "CLIENT" {
				named.Add(1)
				return answer
			}
			return ":1\r\n"
		})})
		if err := addOne(context.Background(), c); err != nil || named.Load() != 1 {
			t.Errorf("%q: %v, named %d times", answer, err, named.Load())
		}
	}
}
