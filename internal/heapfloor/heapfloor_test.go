package heapfloor

import (
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
)

func TestPercent(t *testing.T) {
	const mb = 1 << 20
	for _, tc := range []struct {
		floor, live, roots uint64
		want               int
	}{
		{64 * mb, 64 * mb, 0, 100},
		{64 * mb, 100 * mb, 0, 100},
		{64 * mb, 60 * mb, 0, 100},
		{64 * mb, 8 * mb, 0, 700},
		{64 * mb, 8 * mb, 6 * mb, 400},
		{64 * mb, 0, 0, 10_000},
	} {
		if got := percent(tc.floor, tc.live, tc.roots); got != tc.want {
			t.Errorf("percent(%d, %d, %d) = %d, want %d", tc.floor, tc.live, tc.roots, got, tc.want)
		}
	}
}

// TestSet allocates in a process of its own, because GOGC belongs to all of it,
// and compares how often it collects.
func TestSet(t *testing.T) {
	if os.Getenv("HEAPFLOOR_CHILD") != "" {
		child()
		return
	}
	without := collections(t, "HEAPFLOOR_CHILD=0")
	with := collections(t, "HEAPFLOOR_CHILD=64")
	if with == 0 || with*5 > without {
		t.Errorf("%d collections with a floor, %d without", with, without)
	}
	if limited := collections(t, "HEAPFLOOR_CHILD=64", "GOMEMLIMIT=64MiB"); limited < 2*with {
		t.Errorf("%d collections under a memory limit, %d without", limited, with)
	}
	if asked := collections(t, "HEAPFLOOR_CHILD=64", "GOGC=100"); asked*2 < without {
		t.Errorf("%d collections with GOGC=100 and a floor, %d without a floor", asked, without)
	}
}

func collections(t *testing.T, env ...string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run", "^TestSet$", "-test.v")
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_, rest, _ := strings.Cut(string(out), "collections=")
	n, err := strconv.Atoi(strings.TrimSpace(strings.SplitN(rest, "\n", 2)[0]))
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return n
}

var sink []byte

func child() {
	floor, _ := strconv.Atoi(os.Getenv("HEAPFLOOR_CHILD"))
	if floor > 0 {
		Set(uint64(floor) << 20)
	}
	for range 1 << 17 { // 1 GB
		sink = make([]byte, 8<<10)
	}
	runtime.KeepAlive(sink)
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	println("collections=" + strconv.FormatInt(stats.NumGC, 10))
}
