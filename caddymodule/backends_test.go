package caddymodule_test

import (
	"bufio"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestExampleBackends runs the example backends behind a gate: they verify the
// assertion with libraries that have nothing to do with the one that signs it.
func TestExampleBackends(t *testing.T) {
	for name, command := range map[string]func(t *testing.T) *exec.Cmd{"backend-go": goBackend, "backend-node": nodeBackend} {
		for _, algorithm := range []string{"EdDSA", "ES256"} {
			t.Run(name+" "+algorithm, func(t *testing.T) {
				cmd := command(t)
				backend := closedPort(t)
				g := gatetest.New(t, gatetest.Vars{"upstream": backend})
				g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {"key_id": "key_a", "account": "acme"}}))
				site := strings.Replace(options, "keys file", "sign {\nalgorithm "+algorithm+"\n}\nkeys file", 1)
				g.Run(t, site+":{{gate}} {\ningest_auth_jwks /jwks\ningest_auth\nreverse_proxy {{upstream}}\n}\n")
				runBackend(t, cmd, "-listen", backend, "-jwks", "http://"+g.Addr+"/jwks")

				resp := g.Do(t, gatetest.Request{Target: "/track", Body: `{"token":"` + keyA + `","a":1}`, Header: http.Header{"X-Ingest-Identity": {forged}}})
				if resp.Status != http.StatusOK || !strings.Contains(resp.Body, `"key_a"`) || !strings.Contains(resp.Body, `"acme"`) {
					t.Errorf("through the gate: %d %s", resp.Status, resp.Body)
				}
				direct := gatetest.Gate{Addr: backend}
				for _, header := range []http.Header{nil, {"X-Ingest-Identity": {forged}}} {
					if resp := direct.Do(t, gatetest.Request{Target: "/track", Header: header}); resp.Status != http.StatusUnauthorized {
						t.Errorf("past the gate with %v: %d %s", header, resp.Status, resp.Body)
					}
				}
			})
		}
	}
}

func goBackend(t *testing.T) *exec.Cmd {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "backend")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = "../examples/backend-go"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the backend: %v\n%s", err, out)
	}
	return exec.Command(bin)
}

func nodeBackend(t *testing.T) *exec.Cmd {
	t.Helper()
	const dir = "../examples/backend-node"
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "jose")); err != nil {
		t.Skip("needs Node.js and its packages: run `make examples`")
	}
	cmd := exec.Command("node", "server.js")
	cmd.Dir = dir
	return cmd
}

// runBackend starts a backend and waits until it says that it listens. Node's
// parser wants two dashes where Go's flags take either.
func runBackend(t *testing.T, cmd *exec.Cmd, flags ...string) {
	t.Helper()
	for i := 0; i < len(flags); i += 2 {
		cmd.Args = append(cmd.Args, "-"+flags[i], flags[i+1])
	}
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "listening on ") {
			return
		}
	}
	t.Fatal("the backend did not start")
}
