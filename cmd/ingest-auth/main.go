// Command ingest-auth is Caddy with its standard modules and the ingest_auth
// gate.
package main

import (
	"runtime/debug"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
	"github.com/ingestauth/caddy-ingest-auth/internal/heapfloor"
)

const (
	// heapFloor is how large the heap grows before it is collected. A busy process needs
	// that much more memory; a process that was never busy does not.
	heapFloor = 32 << 20

	// startTime is how long the heap is collected as usual after the start, so that an
	// idle process does not keep the garbage from starting.
	startTime = 3 * time.Second
)

func main() {
	caddy.CustomBinaryName = "ingest-auth"
	if info, ok := debug.ReadBuildInfo(); ok {
		caddy.CustomVersion = "ingest-auth " + info.Main.Version + ", Caddy"
	}
	time.AfterFunc(startTime, func() {
		heapfloor.LeaveRoom() // Caddy has set the limit by now
		heapfloor.Set(heapFloor)
	})
	caddycmd.Main()
}
