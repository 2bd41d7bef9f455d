package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// answered matches the title of a request in the output of requests.sh and the
// line below the answer.
var answered = regexp.MustCompile(`(?m)^# (\d{3}) (.*)\n(?:.*\n)*?=> (\d{3})`)

// TestRequests runs requests.sh of every example and compares the statuses that
// come with those that its titles say.
func TestRequests(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	for _, name := range examples {
		t.Run(name, func(t *testing.T) {
			ex := start(t, name, nil)
			script := filepath.Join(name, "requests.sh")
			content, err := os.ReadFile(script)
			if err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), "bash", script, "http://"+ex.Addr).CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			answers := answered.FindAllStringSubmatch(string(out), -1)
			if want := strings.Count(string(content), "\nsend '"); len(answers) != want {
				t.Errorf("%d answers, want %d:\n%s", len(answers), want, out)
			}
			for _, a := range answers {
				if a[1] != a[3] {
					t.Errorf("%s: got %s, want %s", a[2], a[3], a[1])
				}
			}
			if strings.Contains(string(out), anyKey) {
				t.Errorf("a backend saw a key:\n%s", out)
			}
		})
	}
}
