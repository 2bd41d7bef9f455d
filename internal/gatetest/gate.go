package gatetest

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
)

// Gate is a running Caddy. There is one in a process at a time.
type Gate struct {
	Addr  string // host:port of the site
	Admin string // host:port of the admin endpoint
	Dir   string // an empty folder of the test's own, and Caddy's storage

	replacer *strings.Replacer
}

// Vars are additional words that a Caddyfile may use in double braces.
type Vars map[string]string

// New prepares a gate without starting it. In its Caddyfiles {{gate}} is the
// port of the site, {{dir}} the test's folder, and every name of vars its value.
func New(tb testing.TB, vars Vars) *Gate {
	tb.Helper()
	g := &Gate{Addr: freeport.Addr(tb), Admin: freeport.Addr(tb), Dir: tb.TempDir()}
	_, port, _ := net.SplitHostPort(g.Addr)
	pairs := []string{"{{gate}}", port, "{{dir}}", g.Dir}
	for name, value := range vars {
		pairs = append(pairs, "{{"+name+"}}", value)
	}
	g.replacer = strings.NewReplacer(pairs...)
	return g
}

// Run loads a Caddyfile and stops it when the test is over.
func (g *Gate) Run(tb testing.TB, caddyfile string) {
	tb.Helper()
	if err := g.Load(caddyfile); err != nil {
		tb.Fatalf("loading Caddyfile: %v", err)
	}
	tb.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			tb.Errorf("stopping Caddy: %v", err)
		}
	})
}

// Write writes a file into the gate's folder and returns its path.
func (g *Gate) Write(tb testing.TB, name, content string) string {
	tb.Helper()
	path := filepath.Join(g.Dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		tb.Fatal(err)
	}
	return path
}

// Load loads a Caddyfile, in place of the one that is running if there is one.
func (g *Gate) Load(caddyfile string) error {
	cfg, err := g.Adapt(caddyfile)
	if err != nil {
		return err
	}
	return caddy.Load(cfg, true)
}

// Adapt returns the JSON configuration for a Caddyfile, with an admin endpoint
// and a storage of the test's own.
func (g *Gate) Adapt(caddyfile string) ([]byte, error) {
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(g.replacer.Replace(caddyfile)),
		map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return nil, err
	}
	var cfg map[string]any
	if err := json.Unmarshal(adapted, &cfg); err != nil {
		return nil, fmt.Errorf("decoding configuration: %w", err)
	}
	cfg["admin"] = map[string]any{"listen": g.Admin, "config": map[string]any{"persist": false}}
	cfg["storage"] = map[string]any{"module": "file_system", "root": filepath.Join(g.Dir, "storage")}
	return json.Marshal(cfg)
}
