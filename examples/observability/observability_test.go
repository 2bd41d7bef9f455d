// Package observability_test checks the dashboard and the alert rules against the
// list of metrics, and with promtool.
package observability_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// promtool runs promtool, and skips the test if it is not installed.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("needs promtool: install the Debian package prometheus")
	}
	if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRules(t *testing.T) {
	promtool(t, "check", "rules", "rules.yml")
	promtool(t, "test", "rules", "rules_test.yml")
}

// TestRulesAreComplete checks that every alert says how bad it is, what has
// happened and what to do, and that a test makes it fire.
func TestRulesAreComplete(t *testing.T) {
	rules, tests := read(t, "rules.yml"), read(t, "rules_test.yml")
	alerts := strings.Split(rules, "- alert: ")[1:]
	if len(alerts) == 0 {
		t.Fatal("there are no alerts")
	}
	for _, alert := range alerts {
		name, text, _ := strings.Cut(alert, "\n")
		for _, field := range []string{"for: ", "severity: ", "summary: ", "runbook: "} {
			if !strings.Contains(text, " "+field) {
				t.Errorf("%s lacks %q", name, field)
			}
		}
		if !strings.Contains(tests, `alertname="`+name+`"`) {
			t.Errorf("no test makes %s fire", name)
		}
	}
}

// panel is a panel of a dashboard, as far as we look at it.
type panel struct {
	ID      int    `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	GridPos struct{ X, Y, W, H int }
	Targets []struct {
		Expr string `json:"expr"`
	} `json:"targets"`
}

func dashboard(t *testing.T) []panel {
	t.Helper()
	var d struct {
		Panels     []panel `json:"panels"`
		Templating struct {
			List []struct {
				Name string `json:"name"`
			} `json:"list"`
		} `json:"templating"`
	}
	if err := json.Unmarshal([]byte(read(t, "dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, v := range d.Templating.List {
		names = append(names, v.Name)
	}
	if want := []string{"datasource", "job", "instance"}; !slices.Equal(names, want) {
		t.Errorf("variables: %v, want %v", names, want)
	}
	return d.Panels
}

func TestDashboard(t *testing.T) {
	panels := dashboard(t)
	titles := map[int]string{}
	used := map[[2]int]string{} // cells of the grid
	for _, p := range panels {
		if other, twice := titles[p.ID]; twice {
			t.Errorf("panels %q and %q have the ID %d", other, p.Title, p.ID)
		}
		titles[p.ID] = p.Title
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other, taken := used[[2]int{x, y}]; taken || x >= 24 {
					t.Fatalf("panel %q overlaps %q or the edge", p.Title, other)
				}
				used[[2]int{x, y}] = p.Title
			}
		}
		for _, target := range p.Targets {
			if !strings.Contains(target.Expr, `job=~"$job",instance=~"$instance"`) {
				t.Errorf("panel %q does not heed the variables: %s", p.Title, target.Expr)
			}
		}
	}
}

// TestDashboardQueries lets promtool parse the queries, as recording rules.
func TestDashboardQueries(t *testing.T) {
	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for _, p := range dashboard(t) {
		for i, target := range p.Targets {
			expr := strings.NewReplacer("$__rate_interval", "5m", "$job", "x", "$instance", "x").Replace(target.Expr)
			fmt.Fprintf(&rules, "  - record: panel:%s%s\n    expr: %q\n", strings.Repeat("p", p.ID), strings.Repeat("q", i), expr)
		}
	}
	path := filepath.Join(t.TempDir(), "queries.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", path)
}

// TestMetricsExist checks that rules and dashboard use only metrics that
// docs/metrics.md lists, and that the dashboard shows all of them.
func TestMetricsExist(t *testing.T) {
	listed := map[string]string{} // type by name
	for _, row := range regexp.MustCompile("(?m)^\\| `(ingest_auth_[a-z_]+)` \\| (\\w+) \\|").FindAllStringSubmatch(read(t, "../../docs/metrics.md"), -1) {
		listed[row[1]] = row[2]
	}
	shown := map[string]bool{}
	for _, file := range []string{"rules.yml", "rules_test.yml", "dashboard.json"} {
		for _, name := range regexp.MustCompile(`ingest_auth_[a-z_]+`).FindAllString(read(t, file), -1) {
			base := regexp.MustCompile(`_(bucket|sum|count)$`).ReplaceAllString(name, "")
			if listed[base] != "histogram" {
				base = name
			}
			if listed[base] == "" {
				t.Errorf("%s: there is no metric %s", file, name)
			}
			if file == "dashboard.json" {
				shown[base] = true
			}
		}
	}
	for name := range listed {
		if !shown[name] && name != "ingest_auth_change_feed_last_success_timestamp_seconds" { // the lag says the same
			t.Errorf("no panel shows %s", name)
		}
	}
}
