// Package systemd tests the example unit and its Caddyfile.
package systemd

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/ingestauth/caddy-ingest-auth"
)

// maxExposure is ten times the exposure level that is allowed: 0 is a service that
// can do nothing, 100 one that can do everything.
const maxExposure = "15"

// TestUnit lets systemd judge the unit: every setting known and valid, and locked
// down as far as a proxy can be.
func TestUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is not installed")
	}
	unit := filepath.Join(t.TempDir(), "ingest-auth.service")
	text := strings.ReplaceAll(read(t, "ingest-auth.service"), "/usr/local/bin/ingest-auth", "/bin/true") // it has to exist
	if err := os.WriteFile(unit, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"verify", "--man=no", unit},
		{"security", "--no-pager", "--offline=yes", "--threshold=" + maxExposure, unit},
	} {
		out, err := exec.Command(analyze, args...).CombinedOutput()
		if err != nil {
			t.Errorf("systemd-analyze %s: %v\n%s", args[0], err, out)
		}
		if args[0] == "verify" && strings.Contains(string(out), "ingest-auth.service") { // warnings do not change its exit status
			t.Errorf("systemd-analyze verify: %s", out)
		}
	}
}

func TestCaddyfileAdapts(t *testing.T) {
	_, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(read(t, "Caddyfile")), map[string]any{"filename": "Caddyfile"})
	if err != nil || len(warnings) > 0 {
		t.Errorf("%v %v", err, warnings)
	}
}

// TestCredentialsAreUsed compares the credentials that the unit loads with the
// files that the Caddyfile reads.
func TestCredentialsAreUsed(t *testing.T) {
	loaded := matches(`(?m)^LoadCredential=([^:]+):`, read(t, "ingest-auth.service"))
	used := matches(`/run/credentials/ingest-auth\.service/([a-z0-9-]+)`, read(t, "Caddyfile"))
	if len(loaded) == 0 || strings.Join(loaded, " ") != strings.Join(used, " ") {
		t.Errorf("the unit loads %v, the Caddyfile reads %v", loaded, used)
	}
}

// matches returns the first group of every match.
func matches(pattern, text string) []string {
	var found []string
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		found = append(found, m[1])
	}
	return found
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
