// Package browsertest runs scripts in Node.js that drive a real browser.
package browsertest

import (
	"context"
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// dir is this folder, seen from the tests of a package one level below the root.
const dir = "../internal/browsertest"

// timeout is how long a script may take.
const timeout = 3 * time.Minute

// Run runs a script of this folder with some input. The test fails if the script
// does, and is skipped if there is no browser to run.
func Run(t *testing.T, script string, input map[string]any) {
	t.Helper()
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("needs a browser: install chromium")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "playwright-core")); err != nil {
		t.Skip("needs Node.js and its packages: run `make browser`")
	}
	input = maps.Clone(input)
	input["chromium"], input["profile"] = chromium, t.TempDir()
	arg, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", script, string(arg))
	cmd.Dir = dir
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) } // closes the browser
	cmd.WaitDelay = 10 * time.Second
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", script, err, out)
	}
}
