package kubernetes

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// dockerfile parses the Dockerfile, with BuildKit's own parser and linter.
func dockerfile(t *testing.T) []instructions.Stage {
	t.Helper()
	file, err := os.Open("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	parsed, err := parser.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range parsed.Warnings {
		t.Errorf("%s: %v", w.Short, w.Location)
	}
	stages, _, err := instructions.Parse(parsed.AST, linter.New(&linter.Config{
		Warn: func(rule, _, _, message string, location []parser.Range) {
			t.Errorf("%s: %s: %v", rule, message, location)
		},
	}))
	if err != nil {
		t.Fatal(err)
	}
	return stages
}

func TestDockerfileHasNoWarnings(t *testing.T) {
	if stages := dockerfile(t); len(stages) != 2 {
		t.Errorf("%d stages, want a build and an image", len(stages))
	}
}

// TestImageFitsTheManifests compares the image's user, ports and entry point with
// what the manifests take for granted.
func TestImageFitsTheManifests(t *testing.T) {
	stages := dockerfile(t)
	var user, entrypoint string
	var ports []string
	for _, command := range stages[len(stages)-1].Commands {
		switch c := command.(type) {
		case *instructions.UserCommand:
			user = c.User
		case *instructions.ExposeCommand:
			ports = c.Ports
		case *instructions.EntrypointCommand:
			entrypoint = strings.Join(c.CmdLine, " ")
		}
	}
	if user != "65532:65532" { // what runAsUser and runAsGroup say
		t.Errorf("the image's user is %q", user)
	}
	if !slices.Equal(ports, []string{"8080", "9180"}) {
		t.Errorf("the image exposes %v", ports)
	}
	if !strings.HasSuffix(entrypoint, "/ingest-auth") {
		t.Errorf("the manifests' arguments go to %q", entrypoint)
	}
}
