package ingestauth_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const modulePath = "github.com/ingestauth/caddy-ingest-auth"

// pkg is a package as `go list` describes it. Imports are those of its tests, too.
type pkg struct {
	ImportPath   string
	GoFiles      []string
	Imports      []string
	TestImports  []string
	XTestImports []string
	Deps         []string
}

// name is the path inside the module, "." for its root.
func (p *pkg) name() string { return roomOf(p.ImportPath) }

func roomOf(importPath string) string {
	if importPath == modulePath {
		return "."
	}
	return strings.TrimPrefix(importPath, modulePath+"/")
}

// packages returns all packages of the module.
func packages(t *testing.T) []*pkg {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,GoFiles,Imports,TestImports,XTestImports,Deps", "./...").Output()
	if err != nil {
		t.Fatalf("listing packages: %v", err)
	}
	var all []*pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		p := new(pkg)
		if err := dec.Decode(p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("there are %d packages only", len(all))
	}
	return all
}

func isCaddy(importPath string) bool {
	return strings.HasPrefix(importPath, "github.com/caddyserver/caddy/")
}

// knowsCaddy are the packages that may have Caddy in them: the module, what builds it, and
// rigs for tests and benchmarks.
func knowsCaddy(name string) bool {
	return name == "." || name == "caddymodule" || name == "internal/gatetest" ||
		strings.HasPrefix(name, "caddymodule/") || strings.HasPrefix(name, "cmd/") || strings.HasPrefix(name, "internal/bench/")
}

// TestCaddyStaysInItsRoom: nothing but the Caddy module brings Caddy along, not even by way
// of another package.
func TestCaddyStaysInItsRoom(t *testing.T) {
	seen := false
	for _, p := range packages(t) {
		i := slices.IndexFunc(p.Deps, isCaddy)
		if p.name() == "caddymodule" {
			seen = i >= 0
		}
		if i >= 0 && !knowsCaddy(p.name()) {
			t.Errorf("%s brings %s along", p.name(), p.Deps[i])
		}
	}
	if !seen {
		t.Error("caddymodule does without Caddy: the test tests nothing")
	}
}

// TestGateIsTestedWithoutCaddy: the pipeline's own tests boot none.
func TestGateIsTestedWithoutCaddy(t *testing.T) {
	for _, p := range packages(t) {
		if p.name() != "internal/gate" {
			continue
		}
		for _, path := range slices.Concat(p.TestImports, p.XTestImports) {
			if isCaddy(path) || strings.HasPrefix(path, modulePath) && knowsCaddy(roomOf(path)) {
				t.Errorf("its tests import %s", path)
			}
		}
		return
	}
	t.Error("there is no internal/gate")
}

// rule is what packages of ours those in a room may import.
type rule struct {
	room string
	of   []string
}

// mayImport says which packages of ours one may import, by the beginnings of their names.
// The first row that fits holds; what has none may not be there.
var mayImport = []rule{
	{"config", nil},
	{"keysync", []string{"config", "keysync"}},
	{"internal/gate", []string{"config", "keysync", "internal/"}}, // but ofTheHost
	{"internal/cors", []string{"config", "internal/limit"}},
	{"internal/credential", []string{"config", "internal/embedded", "internal/fieldname", "internal/multipart"}},
	{"internal/redact", []string{"config", "keysync", "internal/fieldname"}},
	{"internal/flow", []string{"keysync"}},
	{"internal/limit", []string{"internal/redis"}},
	{"internal/metrics", []string{"config", "keysync", "internal/copies", "internal/gate", "internal/limit"}},
	{"internal/keycache", []string{"config", "keysync"}},
	{"internal/keyscli", []string{"config", "keysync"}},
	{"internal/bench", []string{"config", "keysync", "internal/"}},
	{"internal/redistest", []string{"internal/await", "internal/freeport"}},
	{"internal/vaulttest", []string{"internal/await"}},
	{"internal/", nil},
}

// ofTheHost are packages that only the host uses.
var ofTheHost = []string{"caddymodule", "internal/keycache", "internal/keyscli", "internal/metrics", "internal/gatetest", "internal/bench", "internal/wire", "internal/heapfloor"}

// TestImportsRunDown: a package imports those below it and not the other way round.
func TestImportsRunDown(t *testing.T) {
	for _, p := range packages(t) {
		if knowsCaddy(p.name()) || strings.HasPrefix(p.name(), "examples") {
			continue
		}
		row := slices.IndexFunc(mayImport, func(r rule) bool { return within(p.name(), r.room) })
		if row < 0 {
			t.Errorf("%s: has no row in mayImport", p.name())
			continue
		}
		for _, path := range p.Imports {
			if !strings.HasPrefix(path, modulePath) {
				continue
			}
			other := roomOf(path)
			fits := func(room string) bool { return within(other, room) }
			if !slices.ContainsFunc(mayImport[row].of, fits) || slices.ContainsFunc(ofTheHost, fits) {
				t.Errorf("%s must not import %s", p.name(), other)
			}
		}
	}
}

// within reports whether a package is a room or in it.
func within(name, room string) bool {
	return name == room || strings.HasPrefix(name, strings.TrimSuffix(room, "/")+"/")
}

// tooLarge are packages with more files than one can keep in mind; they may only get smaller.
var tooLarge = map[string]int{"caddymodule": 30}

const maxFiles = 28

// TestPackagesAreSmall: somebody new has to find their way.
func TestPackagesAreSmall(t *testing.T) {
	for _, p := range packages(t) {
		limit := max(maxFiles, tooLarge[p.name()])
		if n := len(p.GoFiles); n > limit {
			t.Errorf("%s has %d files, of which there may be %d: make two packages of it", p.name(), n, limit)
		}
	}
}
