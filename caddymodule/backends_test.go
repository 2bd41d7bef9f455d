package caddymodule_test

import (
	"bufio"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// TestExampleBackends runs the example backends behind a gate. Those for Node.js
// and Python verify the assertion with libraries that have nothing to do with the
// one that signs it.
func TestExampleBackends(t *testing.T) {
	backends := map[string]func(t *testing.T) *exec.Cmd{
		"backend-go": builtGoBackend(t), "backend-node": nodeBackend, "backend-python": pythonBackend,
	}
	for name, command := range backends {
		for _, algorithm := range []string{"EdDSA", "ES256"} {
			t.Run(name+" "+algorithm, func(t *testing.T) {
				cmd := command(t)
				backend := freeport.Addr(t)
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

// builtGoBackend builds the backend for Go and returns what makes commands that run it.
func builtGoBackend(t *testing.T) func(*testing.T) *exec.Cmd {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "backend")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Dir = "../examples/backend-go"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the backend: %v\n%s", err, out)
	}
	return func(*testing.T) *exec.Cmd { return exec.Command(bin) }
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

func pythonBackend(t *testing.T) *exec.Cmd {
	t.Helper()
	const python = "/usr/bin/python3" // the one that Debian's packages are for
	if err := exec.Command(python, "-c", "import jwt, cryptography").Run(); err != nil {
		t.Skip("needs Python with PyJWT and cryptography: install python3-jwt and python3-cryptography")
	}
	cmd := exec.Command(python, "server.py")
	cmd.Dir = "../examples/backend-python"
	return cmd
}

// runBackend starts a backend and waits until it says that it listens. The
// parsers of Node.js and Python want two dashes where Go's flags take either.
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

// TestPackageVerify takes an assertion that is bound to a request and its body from
// a gate to a backend with the package verify, which is a module of its own and so
// runs in a process of its own, and tries it there on other requests.
func TestPackageVerify(t *testing.T) {
	goBackend := builtGoBackend(t)
	for _, algorithm := range []string{"EdDSA", "ES256"} {
		t.Run(algorithm, func(t *testing.T) {
			backend := freeport.Addr(t)
			up := gatetest.NewUpstream(t, httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: backend}).ServeHTTP)
			g := gatetest.New(t, nil)
			g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {
				"key_id": "key_a", "account": "acme", "mode": "test",
				"resources": map[string][]string{"project": {"1"}, "event": {"b", "c"}},
			}}))
			site := strings.Replace(options, "keys file", "sign {\nalgorithm "+algorithm+"\n}\nkeys file", 1)
			g.Run(t, site+":{{gate}} {\ningest_auth_jwks /jwks\ningest_auth {\nbind body\n"+
				"resource project query x\nresource event body event\n}\nreverse_proxy "+up.Addr+"\n}\n")
			runBackend(t, goBackend(t), "-listen", backend, "-jwks", "http://"+g.Addr+"/jwks", "-bind", "body")

			resp := g.Do(t, gatetest.Request{Target: "/a%2Fb?x=1", Body: `[{"token":"` + keyA + `","event":"b"},{"event":"c"}]`})
			want := `{"account":"acme","key_id":"key_a","method":"POST","mode":"test","path":"/a%2Fb","res":{"event":["b","c"],"project":["1"]}}`
			if resp.Status != http.StatusOK || strings.TrimSpace(resp.Body) != want {
				t.Fatalf("through the gate: %d %s, want %s", resp.Status, resp.Body, want)
			}
			tryElsewhere(t, backend, up.One(t).Header.Get("X-Ingest-Identity"))
		})
	}
}

// tryElsewhere sends an assertion for a POST of two events to /a%2Fb?x=1 past the gate.
func tryElsewhere(t *testing.T, addr, assertion string) {
	t.Helper()
	const body = `[{"event":"b"},{"event":"c"}]`
	direct := gatetest.Gate{Addr: addr}
	for _, tt := range []struct {
		name, method, target, body string
		want                       int
	}{
		{"the same request", "POST", "/a%2Fb?x=1", body, 200},
		{"method", "PUT", "/a%2Fb?x=1", body, 401},
		{"path", "POST", "/a/b?x=1", body, 401},
		{"query", "POST", "/a%2Fb?x=2", body, 401},
		{"no query", "POST", "/a%2Fb", body, 401},
		{"body", "POST", "/a%2Fb?x=1", `[{"event":"c"},{"event":"b"}]`, 401},
		{"no body", "POST", "/a%2Fb?x=1", "", 401},
	} {
		req := gatetest.Request{Method: tt.method, Target: tt.target, Body: tt.body, Header: http.Header{"X-Ingest-Identity": {assertion}}}
		if resp := direct.Do(t, req); resp.Status != tt.want {
			t.Errorf("%s: %d %s, want %d", tt.name, resp.Status, resp.Body, tt.want)
		}
	}
}
