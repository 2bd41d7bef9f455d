package heapfloor

import (
	"math"
	"os"
	"runtime/debug"
)

// beside is what the kernel charges a container for besides the memory that Go counts: pages of the
// binary in use (some 10 MB) and buffers of sockets.
const beside = 16 << 20

// LeaveRoom lowers the memory limit that Caddy has derived from the container's, nine tenths of
// it: in a small container the last tenth is less than what is needed besides. It does nothing if
// GOMEMLIMIT is in the environment: then somebody has decided otherwise.
func LeaveRoom() {
	if _, ok := os.LookupEnv("GOMEMLIMIT"); ok {
		return
	}
	if limit := debug.SetMemoryLimit(-1); limit != math.MaxInt64 {
		debug.SetMemoryLimit(withRoom(limit))
	}
}

// withRoom returns the limit to set, given nine tenths of the container's.
func withRoom(limit int64) int64 {
	container := limit / 9 * 10
	return min(limit, max(container-beside, container/2))
}
