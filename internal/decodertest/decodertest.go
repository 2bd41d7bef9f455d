// Package decodertest asks the decoders of other languages what they read in a query, a form
// or a multipart body.
package decodertest

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// Pair is a parameter as a decoder reads it.
type Pair struct {
	Path  []string // its name; more than one for decoders that know arrays
	Value string
}

// UnmarshalJSON reads a path with the value behind it.
func (p *Pair) UnmarshalJSON(b []byte) error {
	err := json.Unmarshal(b, &p.Path)
	if last := len(p.Path) - 1; err == nil && last >= 0 {
		p.Path, p.Value = p.Path[:last], p.Path[last]
	}
	return err
}

// Decoders are running interpreters, each with some decoders.
type Decoders struct {
	children []child
}

type child struct {
	in  io.Writer
	out *bufio.Reader
}

// Start runs the decoders of one thing, of which each script in dir is named, until the test
// ends: "decode" for queries and forms, "cookie", "param" for those of a header, "path", "multipart".
// It skips the test if one cannot run.
func Start(t testing.TB, dir, what string) *Decoders {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "node_modules", "cookie")); err != nil {
		t.Skip("needs Node.js and its packages: run `make decoders`")
	}
	d := new(Decoders)
	for _, in := range interpreters {
		script := what + in.suffix
		if _, err := os.Stat(filepath.Join(dir, script)); err != nil {
			continue
		}
		if _, err := exec.LookPath(in.command[0]); err != nil {
			t.Skipf("needs %s: install it", in.command[0])
		}
		d.children = append(d.children, start(t, dir, append(slices.Clone(in.command), script)))
	}
	d.Decode(t, "") // a fuzz target has ten seconds for each input: let them start before
	return d
}

var interpreters = []struct {
	suffix  string
	command []string
}{
	{".js", []string{"node"}},
	{".py", []string{"python3"}},
	{".php", []string{"php", "-d", "max_input_vars=100000", "-d", "display_errors=stderr"}},
}

func start(t testing.TB, dir string, command []string) child {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...) //nolint:gosec // commands of this file
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // ends it
		_ = cmd.Wait()
	})
	return child{in: in, out: bufio.NewReader(out)}
}

// Decode returns what each decoder reads in raw.
func (d *Decoders) Decode(t testing.TB, raw string) map[string][]Pair {
	t.Helper()
	line := base64.StdEncoding.EncodeToString([]byte(raw)) + "\n"
	for _, c := range d.children {
		if _, err := io.WriteString(c.in, line); err != nil {
			t.Fatal(err)
		}
	}
	all := map[string][]Pair{}
	for _, c := range d.children {
		answer, err := c.out.ReadBytes('\n')
		if err != nil {
			t.Fatal(err)
		}
		var decoded map[string][]Pair
		if err := json.Unmarshal(answer, &decoded); err != nil {
			t.Fatalf("%s: %v", answer, err)
		}
		maps.Copy(all, decoded)
	}
	return all
}
