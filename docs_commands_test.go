package ingestauth_test

import (
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The kind here: a command that does not do, as it is written, what the text around it says.

var (
	indented = regexp.MustCompile(`(?m)^    (\S.*)$`)
	comment  = regexp.MustCompile(`(?m)(^|\s)#.*$`)
	// ourCommand is one of our binary, where a shell would take it for one.
	ourCommand = regexp.MustCompile(`(?m)(?:^|\||&&|;|\bdo|\$\()\s*(?:\$ )?(?:bin/)?ingest-auth(?:\.new)? +([^|&;)<>\n]+)`)
	otherTool  = regexp.MustCompile(`(?m)(?:^|\||&&|;)\s*(?:\$ )?((?:kubectl|vault) [^|&;<>\n]+)`)
)

// commandLines returns what the documentation has for a shell, by file and a line for each
// command. Inline code that begins with a command counts, and scripts of examples.
func commandLines(t *testing.T) map[string]string {
	t.Helper()
	lines := readAll(t, "examples/*/*/*.sh", "docs/*.hcl")
	for path, hcl := range lines {
		if strings.HasSuffix(path, ".hcl") { // their comments say how to write them
			lines[path] = regexp.MustCompile(`(?m)^#( {3}|.*$)`).ReplaceAllString(hcl, "")
		}
	}
	for path, content := range readAll(t, "README.md", "docs/*.md", "examples/*/README.md") {
		var b strings.Builder
		for _, f := range fence.FindAllStringSubmatch(content, -1) {
			if f[1] == "sh" || f[1] == "console" {
				b.WriteString(f[2])
			}
		}
		prose := fence.ReplaceAllString(content, "")
		for _, m := range indented.FindAllStringSubmatch(prose, -1) {
			b.WriteString(m[1] + "\n")
		}
		for _, m := range code.FindAllStringSubmatch(prose, -1) {
			command := strings.TrimPrefix(m[1], "ingest-auth ")
			if strings.HasPrefix(command, "ingest-keys ") && strings.Contains(command, " --") { // else a name
				m[1] = "ingest-auth " + command
			}
			b.WriteString(m[1] + "\n")
		}
		lines[path] = b.String()
	}
	for path, text := range lines {
		lines[path] = strings.ReplaceAll(comment.ReplaceAllString(text, ""), "\\\n", " ")
	}
	return lines
}

// parse reads a command line of our binary as the binary does, without running it.
func parse(args []string) error {
	known, ok := caddycmd.Commands()[args[0]]
	if !ok {
		return errors.New("there is no such command")
	}
	root := &cobra.Command{Use: args[0]}
	if known.CobraFunc != nil {
		known.CobraFunc(root)
	} else {
		root.Flags().AddGoFlagSet(known.Flags)
	}
	cmd, rest, err := root.Find(args[1:])
	if err != nil {
		return err
	}
	if cmd == root && cmd.HasSubCommands() && len(rest) > 0 {
		return errors.New("there is no such subcommand")
	}
	cmd.InheritedFlags() // adds those of the commands above
	if err := cmd.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
		return err
	}
	if err := cmd.ValidateRequiredFlags(); err != nil {
		return err
	}
	if err := cmd.ValidateFlagGroups(); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

// TestDocumentedCommands parses every command of our binary with its own parser.
func TestDocumentedCommands(t *testing.T) {
	n := 0
	for path, text := range commandLines(t) {
		for _, m := range ourCommand.FindAllStringSubmatch(text, -1) {
			n++
			if err := parse(strings.Fields(m[1])); err != nil {
				t.Errorf("%s: ingest-auth %s: %v", path, m[1], err)
			}
		}
	}
	if n < 40 {
		t.Errorf("%d commands, which is fewer than there are", n)
	}
}

// TestDocumentedShell lets bash read what is for it.
func TestDocumentedShell(t *testing.T) {
	for path, content := range readAll(t, "README.md", "docs/*.md", "examples/*/README.md") {
		for i, f := range fence.FindAllStringSubmatch(content, -1) {
			if f[1] != "sh" {
				continue
			}
			cmd := exec.CommandContext(t.Context(), "bash", "-n")
			cmd.Stdin = strings.NewReader(f[2])
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s, fence %d: %v: %s", path, i+1, err, out)
			}
		}
	}
}

// TestDocumentedKubectl: what belongs to a namespace says to which, or it does nothing and
// says that it did. A key file is not applied: the copy that apply keeps in an annotation
// is refused from 256 KiB on.
func TestDocumentedKubectl(t *testing.T) {
	noNamespace := regexp.MustCompile(`^kubectl (create|label) namespace |^kubectl apply -k overlays/`) // overlays name theirs
	n := 0
	for path, text := range commandLines(t) {
		for _, m := range otherTool.FindAllStringSubmatch(text, -1) {
			if !strings.HasPrefix(m[1], "kubectl ") || strings.Count(m[1], " ") == 1 {
				continue // `kubectl apply` alone is a name
			}
			n++
			if !strings.HasPrefix(m[1], "kubectl -n ingest ") && !noNamespace.MatchString(m[1]) {
				t.Errorf("%s: %s: no namespace", path, m[1])
			}
			if strings.Contains(m[1], "apply -f") {
				t.Errorf("%s: %s: use replace", path, m[1])
			}
		}
	}
	if n < 8 {
		t.Errorf("%d commands, which is fewer than there are", n)
	}
}

// TestDocumentedVault: who switches the Kubernetes login on, and writes a role, must also say where
// the API server is, or every login is answered 500; and a policy comes from a file that is there.
func TestDocumentedVault(t *testing.T) {
	enabled := 0
	for path, text := range commandLines(t) {
		if strings.Contains(text, "vault auth enable kubernetes") {
			enabled++
			for _, part := range []string{"vault write auth/kubernetes/config kubernetes_host=", "vault write auth/kubernetes/role/ingest-gateway "} {
				if !strings.Contains(text, part) {
					t.Errorf("%s: %s… is missing", path, part)
				}
			}
		}
		for _, m := range regexp.MustCompile(`vault policy write \S+ (?:\.\./)*(\S+)`).FindAllStringSubmatch(text, -1) {
			readAll(t, m[1])
		}
	}
	if enabled < 2 {
		t.Errorf("%d set-ups, which is fewer than there are", enabled)
	}
}
