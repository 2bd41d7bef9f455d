package keyscli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No key is in any output, except once, when it is handed out; and no key
// is in the key file.
func TestNoKeyInAnyOutput(t *testing.T) {
	everywhere(t, func(t *testing.T, s shell) {
		var output strings.Builder
		run := func(stdin string, args ...string) string {
			r := s.run(t, stdin, args...)
			output.WriteString(r.all())
			return r.out
		}
		handedOut := func(args ...string) string {
			r := s.must(t, "", args...)
			key := strings.TrimSuffix(r.out, "\n")
			if strings.Count(r.all(), key) != 1 {
				t.Errorf("%v: the key is there %d times", args, strings.Count(r.all(), key))
			}
			output.WriteString(strings.Replace(r.all(), key, "", 1))
			return key
		}
		file := filepath.Join(t.TempDir(), "key")
		canaries := []string{
			handedOut("create", "--account", "acme", "--id", "key_1"),
			handedOut("rotate", "key_1", "--id", "key_2"),
			oldKey(1), oldKey(2), "canary-of-a-broken-line",
		}
		run("", "create", "--account", "acme", "--out", file, "--json")
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		canaries = append(canaries, strings.TrimSpace(string(content)))

		run(oldKey(1)+"\n"+oldKey(2), "import", "--account", "acme")
		run("canary-of-a-broken-line x", "import", "--account", "acme")
		run(`{"key":"canary-of-a-broken-line","account":"canary-of-a-broken-line"}`, "import")
		run(`{"key":"canary-of-a-broken-line","canary-of-a-broken-line":1}`, "import")
		run("", "create", "--account", canaries[0])
		run("", "revoke", "key_1")
		for _, key := range canaries {
			run(key, "verify")
			run(key, "verify", "--json", "--scope", "none")
			run(key+"x", "verify")
			for _, command := range []string{"show", "revoke", "rotate", "list", "verify", "import", "audit", "create"} {
				run("", command, key)
			}
			run("", key)
			run("", "list", "-"+key)
			run("", "list", "--json="+key)
			run("", "revoke", "key_2", "--at", key)
			run("", "rotate", "key_2", "--overlap", key)
			run("", "create", "--account", "a", "--limit", key, "--expires", key)
		}
		run("", "list")
		run("", "list", "--json")
		run("", "show", "key_2", "--json", "--digest")
		run("", "audit", "--json")
		if _, path, ok := strings.Cut(strings.Join(s.place, " "), "--file "); ok {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			output.Write(content)
		}
		if output.Len() < 1000 {
			t.Errorf("only %d bytes of output", output.Len())
		}
		for i, key := range canaries {
			if strings.Contains(output.String(), key) {
				t.Errorf("canary %d is in the output:\n%s", i, output.String())
			}
		}
	})
}
