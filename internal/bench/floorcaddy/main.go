// Floorcaddy is Caddy with the gate and a floor for its heap that the benchmark chooses. The
// binary that is shipped has one floor.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
	"github.com/ingestauth/caddy-ingest-auth/internal/heapfloor"
)

func main() {
	floor, err := strconv.ParseUint(os.Getenv("BENCH_HEAP_FLOOR"), 10, 64)
	if err != nil {
		fmt.Fprintln(os.Stderr, "BENCH_HEAP_FLOOR:", err)
		os.Exit(1)
	}
	time.AfterFunc(3*time.Second, func() { heapfloor.Set(floor) }) // as cmd/ingest-auth
	caddycmd.Main()
}
