package credential

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
)

// readerOptions are paths that bodies are read with by readers of other languages.
var readerOptions = []Options{
	nestedOptions,
	{Body: []string{"token", "a.token", "a.b.K", "batch.a.token"}, BodyRows: []BodyRow{{"x", "b"}}, Remove: Locations{Body: []string{"a.x", "z"}}},
	{Body: []string{"token", "b.a.token"}, Remove: Locations{BodyRows: []BodyRow{{"a.token", "batch"}}}, Concatenated: true},
}

// TestJSONReaders: whatever a reader of another language finds at a path is found here, and
// when it is cut all of them read what they read before, but for it.
func TestJSONReaders(t *testing.T) {
	c := readerCheck{decodertest.Start(t, decoders, "body")}
	for _, b := range nested {
		c.check(t, readerOptions[0], b.body, false)
	}
	for _, b := range concatenated {
		c.check(t, readerOptions[2], b.body, false)
	}
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 300 {
		choices := make([]byte, 300)
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		o := readerOptions[i%len(readerOptions)]
		g := grammar{choices: choices}
		lines := i%5 == 0
		c.check(t, o, string(g.body(lines, o.Concatenated)), lines)
	}
}

// FuzzJSONReaders is TestJSONReaders for more bodies.
func FuzzJSONReaders(f *testing.F) {
	c := readerCheck{decodertest.Start(f, decoders, "body")}
	f.Add([]byte("nested"), byte(0))
	f.Fuzz(func(t *testing.T, choices []byte, how byte) {
		o := readerOptions[int(how)%len(readerOptions)]
		g := grammar{choices: choices}
		lines := how >= 200
		c.check(t, o, string(g.body(lines, o.Concatenated)), lines)
	})
}

type readerCheck struct{ decoders *decodertest.Decoders }

func (c readerCheck) check(t *testing.T, o Options, body string, lines bool) {
	t.Helper()
	s := new(Set)
	clean, err := newFinder(t, o).JSON([]byte(body), lines, s)
	if err != nil {
		return
	}
	before, after := c.decoders.Decode(t, body), c.decoders.Decode(t, string(clean))
	for reader, pairs := range before {
		if framed := reader == "lines"; len(pairs) == 0 || framed != lines {
			continue // it does not read such bodies
		}
		var want []decodertest.Pair
		for _, p := range pairs {
			location, cut := o.readAt(p.Path[1:])
			if !cut {
				want = append(want, p)
			}
			var key string
			if location != "" && json.Unmarshal([]byte(p.Value), &key) == nil && !wasFound(s, location, key) {
				t.Errorf("%s: %s reads %s at %q; found %s", body, reader, key, p.Path, list(s.Found()))
			}
		}
		if got, want := readString(after[reader]), readString(want); got != want {
			t.Errorf("%s, now %s: %s reads\n%s, want\n%s", body, clean, reader, got, want)
		}
	}
}

// readAt tells whether what is read at a path is cut, and of which credential it is.
func (o Options) readAt(read []string) (location string, cut bool) {
	if len(read) > 0 && read[0][0] == '#' {
		read = read[1:] // the body is an array
	}
	for _, t := range o.targets() {
		if (t.kind == "credential" || t.kind == "removed") && leadsTo(t, read) {
			return t.name, true
		}
	}
	return "", false
}

// leadsTo tells whether a path, or the beginning of one, leads to a target.
func leadsTo(t target, read []string) bool {
	for i, name := range t.path {
		if i > 0 && len(read) > 0 && strings.HasPrefix(read[0], "#") {
			read = read[1:]
		} else if i > 0 && i == t.in {
			return false // no array
		}
		if len(read) == 0 || !strings.EqualFold(read[0], strings.ReplaceAll(name, "\x00", ".")) {
			return false
		}
		read = read[1:]
	}
	return true
}

// readString writes pairs in order of their names, without those of what is empty: it may
// have become so.
func readString(pairs []decodertest.Pair) string {
	var all []string
	for _, p := range pairs {
		if p.Value != "{}" {
			all = append(all, strings.Join(p.Path, " > ")+" = "+p.Value+"\n")
		}
	}
	slices.Sort(all)
	return strings.Join(all, "")
}
