package credential

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// fuzzOptions are what bodies are fuzzed with; the seeds have their names.
var fuzzOptions = []Options{
	{Body: bodyNames},
	{Resources: []string{"project", "stream"}, Require: []Requirement{{Any: true, Fields: []string{"id", "userId", "email"}}}},
	{
		Body: []string{"token", "K"}, Resources: []string{"a"},
		Require: []Requirement{{Fields: []string{"x"}, In: "b"}, {Fields: []string{"id"}, In: "batch"}, {Fields: []string{"token", "b"}}, {Any: true, Fields: []string{"A", "z"}, In: "b"}},
	},
	{},
	{Body: []string{"token"}, BodyRows: []BodyRow{{"token", "batch"}, {"K", "batch"}}, Require: []Requirement{{Fields: []string{"id"}, In: "b"}}},
	{
		Body: []string{"token"}, Resources: []string{"project"}, Require: []Requirement{{Fields: []string{"K"}}, {Fields: []string{"id"}, In: "a"}},
		Remove: Locations{Body: []string{"K", "x"}, BodyRows: []BodyRow{{"token", "batch"}, {"K", "b"}}},
	},
	{
		Body: []string{"apiKey"}, Batches: []string{"b"}, BodyRows: []BodyRow{{"K", "batch"}},
		Require: []Requirement{{Any: true, Fields: []string{"userId", "userid", "APIKEY", "b"}}, {Any: true, Fields: []string{"id", "A", "a"}, In: "b"}},
	},
	{Body: []string{"a.token", "a.b.K", "batch.a.token"}},
	{
		Body: []string{"token", "a.token", "b.a.K"}, BodyRows: []BodyRow{{"K", "batch"}, {"a.token", "batch"}, {"x", "a.b"}},
		Remove:    Locations{Body: []string{"a.x", "b.x"}, BodyRows: []BodyRow{{"a.x", "batch"}}},
		Resources: []string{"a.project", "z.stream"}, Batches: []string{"a.b"},
		Require: []Requirement{{Any: true, Fields: []string{"a.id", "userId", "userid", "z.email", "a.b"}}, {Fields: []string{"id", "a.z"}, In: "batch"}, {Fields: []string{"id"}, In: "a.b"}, {Fields: []string{"a.token", "z.id"}}},
	},
	{
		Body: []string{"B.a.token"}, BodyRows: []BodyRow{{"token", "A.a"}}, Resources: []string{"b.project", "b.a.stream"},
		Require: []Requirement{{Fields: []string{"a.a.id", "b.a.id"}}, {Any: true, Fields: []string{"id", "b.id"}, In: "b.a.batch"}},
	},
}

// TestJSONOracle compares with the oracle what the tables have, for all options.
func TestJSONOracle(t *testing.T) {
	eachSeed(func(body string) {
		for _, o := range fuzzOptions {
			for _, how := range []struct{ keep, concatenated, lines bool }{{}, {keep: true}, {concatenated: true}, {lines: true}, {concatenated: true, lines: true}} {
				o.Keep, o.Concatenated = how.keep, how.concatenated
				checkJSON(t, o, []byte(body), how.lines)
			}
		}
	})
}

func eachSeed(do func(body string)) {
	for _, c := range append(bodies, ndjson...) {
		if len(c.body) < 1000 {
			do(c.body)
		}
	}
	for _, body := range append(accepted, rejected...) {
		do(body)
		do(`{"a":` + body + `,"token":"K"}`)
		do(`{"a":{"token":"K","b":` + body + `}}`)
	}
	for _, c := range nested {
		do(c.body)
	}
	for _, c := range concatenated {
		do(c.body)
	}
	do(event(1, true))
	do(`{"token":"K","batch":[{"token":"K","id":1},{"a":1,"Token":"L"},1,[{"token":"K"}]],"b":[{"token":"K","id":2}]}`)
	do(`[{"BATCH":[{"id":1,"token":"K"},{"token":"K","token":"L"}]},{"batch":[{"\u0074oken":"K" , "x":1}]},{"batch":{"token":"K"}}]`)
	do(`[{"b":[{"x":1,"A":2},{"x":"","z":null}],"batch":[{"id":1}],"a":"\u0061"},{"project":1,"stream":"s"}]`)
}

// FuzzJSON starts from bytes.
func FuzzJSON(f *testing.F) {
	n := byte(0)
	eachSeed(func(body string) {
		f.Add([]byte(body), n%8 == 7, n)
		n += 37
	})
	f.Fuzz(func(t *testing.T, body []byte, lines bool, options byte) {
		o := fuzzOptions[int(options)%len(fuzzOptions)]
		o.Concatenated = options >= 128
		checkJSON(t, o, body, lines)
		o.Keep = true
		checkJSON(t, o, body, lines)
	})
}

// FuzzJSONGrammar starts from choices, so that nearly all bodies are JSON and
// full of names that matter.
func FuzzJSONGrammar(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		choices := make([]byte, 20+r.IntN(200))
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		g := grammar{choices: choices}
		o := fuzzOptions[g.pick(len(fuzzOptions))]
		lines := g.pick(4) == 0
		o.Concatenated = g.pick(4) == 0
		body := g.body(lines, o.Concatenated)
		checkJSON(t, o, body, lines)
		o.Keep = true
		checkJSON(t, o, body, lines)
	})
}

// grammar writes JSON as its choices tell.
type grammar struct {
	choices []byte
	out     []byte
}

// pick returns the next choice out of n, 0 when there are no more.
func (g *grammar) pick(n int) int {
	if len(g.choices) == 0 {
		return 0
	}
	c := int(g.choices[0]) % n
	g.choices = g.choices[1:]
	return c
}

func (g *grammar) one(of ...string) { g.out = append(g.out, of[g.pick(len(of))]...) }

func (g *grammar) space() { g.one("", "", "", "", "", " ", "\t", "  ", "\r") }

func (g *grammar) body(lines, concatenated bool) []byte {
	g.one("", "", "", bom)
	sequence := lines && g.pick(4) == 0
	for range 1 + g.pick(4) {
		if sequence {
			g.one("\x1e", "\x1e", " \x1e", "\x1e\x1e")
		}
		g.value(4)
		switch {
		case concatenated && g.pick(2) == 0:
			g.one("", "", " ", "\n\n")
		case lines:
			g.one("\n", "\n", "\r\n", "\n\n", "\n \n")
		default:
			return g.out
		}
	}
	return g.out
}

func (g *grammar) value(depth int) {
	g.space()
	switch kind := g.pick(8); {
	case depth > 0 && kind < 3:
		g.items('{', '}', func() {
			g.space()
			g.one(`"a"`, `"a"`, `"b"`, `"batch"`, `"token"`, `"token"`, `"Token"`, `"to\u212aen"`, "\"to\u212aen\"", `"apiKey"`, `"k"`, `"a"`, `"A"`, `"b"`, `"batch"`, `"id"`, `"x"`, `"z"`,
				`"project"`, `"PROJECT"`, `"stream"`, `"userId"`, `"userid"`, `"USERID"`, `"Batch"`, `"email"`, `"other"`, `"a\ud800"`, `"\u0061"`, `"x\u0000"`, `"long enough for words"`)
			g.space()
			g.one(":")
			g.value(depth - 1)
		})
	case depth > 0 && kind < 5:
		g.items('[', ']', func() { g.value(depth - 1) })
	default:
		g.one(`"K"`, `"K"`, `"L"`, `"\u004b"`, `""`, `" \t"`, `"\u0020\u200b\u0000\n"`, `"  x"`, "\"\u00a0\ufeff\"", `null`, `0`, `-1.5e+3`, `true`, `"\ud800"`, `"\ud83d\udd11"`, `"a\nb"`, `"é"`,
			`"}]\""`, `"iak_live_0123456789"`, `"1234567é\\"`)
	}
	g.space()
}

func (g *grammar) items(open, end byte, item func()) {
	g.out = append(g.out, open)
	for i := range g.pick(6) {
		if i > 0 {
			g.one(",")
		}
		item()
	}
	g.space()
	g.out = append(g.out, end)
}

// checkJSON compares JSON with expect in all that it reports.
func checkJSON(t *testing.T, o Options, body []byte, lines bool) {
	t.Helper()
	e := expect(o, body, lines)
	f, s, buf := newFinder(t, o), new(Set), bytes.Clone(body)
	clean, err := f.JSON(buf, lines, s)
	checkError(t, e, err)
	if err != nil || o.Keep {
		if !bytes.Equal(clean, body) || !bytes.Equal(buf, body) {
			t.Fatalf("%v, but the body is now %q", err, buf)
		}
	}
	if err != nil {
		return
	}
	if string(clean) != e.clean {
		t.Errorf("clean %q, want %q", clean, e.clean)
	}
	if !subsequence(string(clean), string(body)) {
		t.Errorf("%q is not a subsequence", clean)
	}
	if got := treeOf(clean, lines); got != e.tree {
		t.Errorf("decodes to %s, want %s", got, e.tree)
	}
	if got, want := list(s.Found()), strings.Join(e.found, ", "); got != want {
		t.Errorf("found %q, want %q", got, want)
	}
	checkReport(t, e, s)
	if !o.Keep {
		checkAgain(t, f, clean, lines, s)
	}
}

func checkError(t *testing.T, e *expected, err error) {
	t.Helper()
	var syntax *SyntaxError
	var spelling *SpellingError
	want := fmt.Sprintf("syntax %t, duplicate %t, values %t, spelling %t", e.syntax, e.duplicate, e.values, e.spelling)
	switch {
	case err == nil && (e.syntax || e.duplicate || e.values || e.spelling):
		t.Fatalf("accepted, but %s", want)
	case errors.As(err, &syntax) && e.syntax, errors.As(err, &spelling) && (e.spelling || e.syntax), errors.Is(err, ErrDuplicate) && (e.duplicate || e.syntax), errors.Is(err, ErrValues) && (e.values || e.syntax), err == nil:
	default:
		t.Fatalf("%v, but %s", err, want)
	}
}

// treeOf writes the rows of a clean body as expect does.
func treeOf(body []byte, lines bool) string {
	texts := [][]byte{bytes.TrimPrefix(body, []byte(bom))}
	if lines {
		texts = bytes.Split(texts[0], []byte(separatorOf(texts[0])))
	}
	all := ""
	for _, text := range texts {
		d := json.NewDecoder(bytes.NewReader(text))
		for {
			var one json.RawMessage
			switch err := d.Decode(&one); {
			case err == nil:
			case errors.Is(err, io.EOF):
				one = nil
			default:
				return fmt.Sprintf("%q is no longer JSON", text)
			}
			if one == nil {
				break
			}
			n := tree(one)
			rows := []*node{n}
			if n.kind == '[' {
				rows = n.elements
			}
			left := ""
			for _, row := range rows {
				left += row.String() + ","
			}
			all += fmt.Sprint(n.kind == '[', left)
		}
	}
	return all
}

func checkReport(t *testing.T, e *expected, s *Set) {
	t.Helper()
	if s.Shape() != e.shape || s.Items() != e.rows {
		t.Errorf("shape %d with %d items, want %d with %d", s.Shape(), s.Items(), e.shape, e.rows)
	}
	for i := range e.distinct {
		distinct, missing := s.Values(i)
		if got, want := fmt.Sprintf("%s %d", distinct, missing), fmt.Sprintf("%s %d", e.distinct[i], e.missing[i]); got != want {
			t.Errorf("resource %d: %q, want %q", i, got, want)
		}
	}
	got := unmetString(s)
	if len(e.unmet) == 0 && got != "met" || len(e.unmet) > 0 && !e.unmet[got] {
		t.Errorf("requirement %s, want one of %v", got, e.unmet)
	}
}

// checkAgain: in a clean body nothing is found and nothing is cut.
func checkAgain(t *testing.T, f *Finder, clean []byte, lines bool, s *Set) {
	t.Helper()
	want := string(clean)
	s.Reset()
	got, err := f.JSON(clean, lines, s)
	if err != nil || string(got) != want || len(s.Found()) > 0 {
		t.Errorf("clean body again: %q, %v, found %s", got, err, list(s.Found()))
	}
}
