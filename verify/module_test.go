package verify_test

import (
	"go/version"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// service is a module that has nothing to do with us, and keeps to older versions of
// what a gate is made of.
const service = `module example.test/service

go ` + oldestGo + `

require (
	go.opentelemetry.io/otel v1.28.0
	golang.org/x/net v0.25.0
	google.golang.org/grpc v1.64.0
)
`

// oldestGo is the version of Go that a backend needs.
const oldestGo = "1.24.0"

// TestModulesOfOthersStay: a service that requires this module gets it and the two that
// it needs, none of which asks for a newer Go, and keeps its version of everything else.
func TestModulesOfOthersStay(t *testing.T) {
	const path = "github.com/ingestauth/caddy-ingest-auth/verify"
	gomod, err := filepath.Abs("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(gomod); err != nil { // also tells go test to run this again after a change
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte(service), 0o600); err != nil {
		t.Fatal(err)
	}
	before, err := modules(t, dir)
	if err != nil {
		t.Skip("needs a module proxy, or what it has in the module cache: ", err)
	}
	if _, err := golang(t, dir, "mod", "edit", "-require="+path+"@v0.0.0", "-replace="+path+"="+filepath.Dir(gomod)); err != nil {
		t.Fatal(err)
	}
	after, err := modules(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range before {
		if after[name] != m {
			t.Errorf("%s was %s, and is %s", name, m.version, after[name].version)
		}
		delete(after, name)
	}
	want := []string{"github.com/go-jose/go-jose/v4", "github.com/hashicorp/golang-lru/v2", path}
	if got := slices.Sorted(maps.Keys(after)); !slices.Equal(got, want) {
		t.Errorf("new modules are %v, want %v", got, want)
	}
	for name, m := range after {
		if version.Compare("go"+m.golang, "go"+oldestGo) > 0 {
			t.Errorf("%s needs Go %s", name, m.golang)
		}
	}
}

// module is the version of a module, and that of Go which it needs.
type module struct{ version, golang string }

// modules returns the modules that are in the build of the one in dir, by path.
func modules(t *testing.T, dir string) (map[string]module, error) {
	t.Helper()
	out, err := golang(t, dir, "list", "-m", "-f", "{{.Path}},{{.Version}},{{.GoVersion}}", "all")
	found := make(map[string]module)
	for line := range strings.Lines(out) {
		parts := strings.Split(strings.TrimSpace(line), ",")
		found[parts[0]] = module{parts[1], parts[2]}
	}
	return found, err
}

// golang runs the go command in dir, where it may complete go.mod and go.sum.
func golang(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "GOTOOLCHAIN=local")
	out, err := cmd.Output()
	if failed, ok := err.(*exec.ExitError); ok {
		t.Logf("go %s: %s", strings.Join(args, " "), failed.Stderr)
	}
	return string(out), err
}
