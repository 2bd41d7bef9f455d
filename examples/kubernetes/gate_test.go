package kubernetes

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// gate is the path of the binary under test.
var gate string

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

// run builds the gate from this checkout and runs the tests.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingest-auth-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	gate = filepath.Join(dir, "ingest-auth")
	build := exec.Command("go", "build", "-trimpath", "-o", gate, "./cmd/ingest-auth")
	build.Dir = "../.."
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the gate: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// caddyConfig is what the tests read of an adapted configuration.
type caddyConfig struct {
	Admin struct {
		Disabled bool `json:"disabled"`
	} `json:"admin"`
	Apps struct {
		HTTP struct {
			GracePeriod   int64                  `json:"grace_period"`   // nanoseconds
			ShutdownDelay int64                  `json:"shutdown_delay"` // nanoseconds
			Servers       map[string]caddyServer `json:"servers"`
		} `json:"http"`
		IngestAuth struct {
			BufferMemory int64 `json:"buffer_memory"` // bytes
			Keys         struct {
				Source string `json:"source"`
				File   string `json:"file"`
				Vault  struct {
					CACert     string `json:"ca_cert"`
					Role       string `json:"role"`
					Credential string `json:"credential"`
				} `json:"vault"`
			} `json:"keys"`
		} `json:"ingest_auth"`
	} `json:"apps"`
}

type caddyServer struct {
	Listen []string `json:"listen"`
	Routes []struct {
		Match []struct {
			Path []string `json:"path"`
		} `json:"match"`
	} `json:"routes"`
}

// adapt turns the Caddyfile in a directory into JSON, as the gate does when it starts.
func adapt(t *testing.T, dir string) caddyConfig {
	t.Helper()
	cmd := exec.Command(gate, "adapt", "--config", filepath.Join(dir, "Caddyfile"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("the Caddyfile does not adapt: %v\n%s", err, stderr(err))
	}
	var config caddyConfig
	if err := json.Unmarshal(out, &config); err != nil {
		t.Fatal(err)
	}
	return config
}

func stderr(err error) []byte {
	if exit, ok := err.(*exec.ExitError); ok {
		return exit.Stderr
	}
	return nil
}

// paths returns what the routes of the server that listens on a port match.
func (c caddyConfig) paths(port int32) []string {
	var paths []string
	for _, server := range c.Apps.HTTP.Servers {
		if len(server.Listen) != 1 || server.Listen[0] != fmt.Sprintf(":%d", port) {
			continue
		}
		for _, route := range server.Routes {
			for _, match := range route.Match {
				paths = append(paths, match.Path...)
			}
		}
	}
	return paths
}
