package heapfloor

import (
	"math"
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

func TestUnderALimit(t *testing.T) {
	const mb = 1 << 20
	for limit, want := range map[int64]uint64{math.MaxInt64: 64 * mb, 1000 * mb: 64 * mb, 128 * mb: 64 * mb, 60 * mb: 30 * mb, 0: 0} {
		if got := under(limit, 64*mb); got != want {
			t.Errorf("under(%d) = %d, want %d", limit, got, want)
		}
	}
}

func TestWithRoom(t *testing.T) {
	const mb = 1 << 20
	for container, want := range map[int64]int64{20: 10, 64: 48, 128: 112, 160: 144, 200: 180, 1000: 900} {
		if got := withRoom(container * mb / 10 * 9); (got+mb/2)/mb != want {
			t.Errorf("in a container of %d MiB the limit is %.1f MiB, want %d", container, float64(got)/mb, want)
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
	if with == 0 || with*2 > without {
		t.Errorf("%d collections with a floor, %d without", with, without)
	}
	if limited := collections(t, "HEAPFLOOR_CHILD=64", "GOMEMLIMIT=32MiB"); limited*2 < with*3 {
		t.Errorf("%d collections under a memory limit, %d without", limited, with)
	}
	if asked := collections(t, "HEAPFLOOR_CHILD=64", "GOGC=100"); asked*2 < with*3 {
		t.Errorf("%d collections with GOGC=100 and a floor, %d without GOGC", asked, with)
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
	for range 1 << 16 { // 512 MB
		sink = make([]byte, 8<<10)
	}
	runtime.KeepAlive(sink)
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	println("collections=" + strconv.FormatInt(stats.NumGC, 10))
}
