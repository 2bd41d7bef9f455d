//go:build linux

package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// HeapFloorTime is how long a gate runs before its heap may grow to the floor
// (cmd/ingest-auth/main.go), and a bit: what is measured before is something else.
const HeapFloorTime = 3500 * time.Millisecond

// Caddy is a Caddyfile with one or several sites that are all the same. Nothing is logged but
// errors and what a site logs.
type Caddy struct {
	Global string // lines of global options
	Site   string // lines of each site
	Sites  int    // 0 is 1
	Admin  string // address of the admin endpoint, "" for none
	Log    string // format of the default log, "" for Caddy's
}

// Stock is a bare reverse_proxy.
func Stock(backend string) Caddy { return Caddy{Site: "reverse_proxy " + backend} }

// Gate is a gate with one limit that is never reached. It signs, as all gates do by default.
func Gate(keys, backend string) Caddy {
	return GateWith(keys, []string{"limit 100000000/1m by key"}, "ingest_forward "+backend)
}

// GateWith is a gate with these lines, in front of a handler.
func GateWith(keys string, lines []string, handler string) Caddy {
	return Caddy{
		Global: "ingest_auth {\n\tkeys file " + keys + "\n}",
		Site:   "ingest_auth {\n\t" + strings.Join(lines, "\n\t") + "\n}\n" + handler,
		Log:    "redact_keys",
	}
}

// WithAccessLog returns c with an access log on standard output, as it is in a container.
func (c Caddy) WithAccessLog() Caddy {
	format := ""
	if c.Log != "" {
		format = "\tformat " + c.Log + "\n"
	}
	c.Site = "log {\n\toutput stdout\n" + format + "}\n" + c.Site
	return c
}

// file writes the Caddyfile for sites at these addresses.
func (c Caddy) file(addrs []string) []byte {
	admin := c.Admin
	if admin == "" {
		admin = "off"
	}
	log := "level ERROR"
	if c.Log != "" {
		log += "\nformat " + c.Log
	}
	var b strings.Builder
	fmt.Fprintf(&b, "{\nadmin %s\nlog {\n%s\n}\n%s\n}\n", admin, log, c.Global)
	for _, addr := range addrs {
		fmt.Fprintf(&b, "http://%s {\n%s\n}\n", addr, c.Site)
	}
	return []byte(b.String())
}

// StartCaddy runs binary with a home of its own in dir, which must not exist. What it writes to
// standard output goes to /dev/null.
func StartCaddy(ctx context.Context, binary, dir string, c Caddy, env ...string) (*Process, error) {
	var addrs []string
	for range max(c.Sites, 1) {
		addr, err := FreeAddr(ctx)
		if err != nil {
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	config, err := newHome(dir, "Caddyfile", c.file(addrs))
	if err != nil {
		return nil, err
	}
	if binary, err = filepath.Abs(binary); err != nil {
		return nil, err
	}
	env = append([]string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, env...)
	p, err := Start(ctx, env, binary, "run", "--config", config)
	if err != nil {
		return nil, err
	}
	p.Addrs = addrs
	return p, p.Ready(ctx)
}

// BinarySize returns the size of a binary in 10^6 bytes.
func BinarySize(binary string) (float64, error) {
	info, err := os.Stat(binary)
	if err != nil {
		return 0, err
	}
	return float64(info.Size()) / 1e6, nil
}
