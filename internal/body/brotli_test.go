package body

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
)

// nodeBrotli encodes or decodes lines of base64 with what Node has of Google's own library.
// It says of a stream how many of its bytes it needed, too.
const nodeBrotli = `
const z = require('zlib'), c = z.constants
const lines = require('fs').readFileSync(0, 'utf8').split('\n')
for (const line of lines) {
  if (!line) continue
  const [what, text, quality, window] = JSON.parse(line), bytes = Buffer.from(text, 'base64')
  try {
    const { buffer, engine } = what === 'encode'
      ? z.brotliCompressSync(bytes, { info: true, params: { [c.BROTLI_PARAM_QUALITY]: quality, [c.BROTLI_PARAM_LGWIN]: window } })
      : z.brotliDecompressSync(bytes, { info: true, maxOutputLength: 1 << 20 })
    console.log(JSON.stringify({ ok: true, content: buffer.toString('base64'), used: engine.bytesWritten }))
  } catch (err) {
    console.log(JSON.stringify({ ok: false, error: err.code }))
  }
}
`

type nodeAnswer struct {
	OK      bool
	Content []byte
	Used    int
	Error   string
}

func askNode(t *testing.T, questions [][4]any) []nodeAnswer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("no Node to compare with")
	}
	var input bytes.Buffer
	for _, q := range questions {
		line, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		input.Write(append(line, '\n'))
	}
	cmd := exec.Command(node, "-e", nodeBrotli)
	cmd.Stdin = &input
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var answers []nodeAnswer
	for line := range strings.Lines(string(out)) {
		var a nodeAnswer
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

func base(b []byte) string { return base64.StdEncoding.EncodeToString(b) }

// TestBrotliOfNode: what another encoder makes comes back, at every quality and window.
func TestBrotliOfNode(t *testing.T) {
	contents := [][]byte{{}, []byte("a"), []byte(`{"token":"k"}`), bytes.Repeat([]byte(`{"event":"click","user":"ö"},`), 3000), noise(100_000)}
	var questions [][4]any
	for _, content := range contents {
		for _, quality := range []int{0, 1, 4, 9, 11} {
			for _, window := range []int{10, 22, 24} {
				questions = append(questions, [4]any{"encode", base(content), quality, window})
			}
		}
	}
	for i, a := range askNode(t, questions) {
		want := contents[i/15]
		b, err := Read(newRequest(bytes.NewReader(a.Content), -1, "br"), fuzzLimits)
		if err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Errorf("%d bytes, quality %v, window %v: %v", len(want), questions[i][2], questions[i][3], err)
			continue
		}
		b.Free()
	}
}

// TestBrotliAsInNode has two decoders look at thousands of damaged streams: what one takes the
// other takes, for the same bytes. Bytes after the end, which Node leaves to its caller, are
// refused.
func TestBrotliAsInNode(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var streams [][]byte
	for _, content := range [][]byte{{}, []byte(`{"token":"k"}`), bytes.Repeat([]byte(`{"a":1}`), 500), noise(300)} {
		whole := encode("br", content)
		streams = append(streams, whole, append(bytes.Clone(whole), 0), append(bytes.Clone(whole), whole...))
		for range 400 {
			damaged := bytes.Clone(whole)
			for range 1 + random.IntN(2) {
				damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
			}
			streams = append(streams, damaged[:1+random.IntN(len(damaged))], damaged)
		}
	}
	questions := make([][4]any, len(streams))
	for i, s := range streams {
		questions[i] = [4]any{"decode", base(s)}
	}
	taken := 0
	for i, a := range askNode(t, questions) {
		b, err := Read(newRequest(bytes.NewReader(streams[i]), -1, "br"), fuzzLimits)
		want := a.OK && a.Used == len(streams[i])
		switch tooLarge := errors.Is(err, ErrDecodedTooLarge); {
		case tooLarge && a.Error == "ERR_BUFFER_TOO_LARGE":
		case tooLarge || (err == nil) != want || err != nil && !errors.Is(err, ErrEncoding):
			t.Errorf("%x: %v, Node: %s", streams[i], err, fmt.Sprint(a.OK, a.Used, a.Error))
		case err == nil && !bytes.Equal(b.Bytes(), a.Content):
			t.Errorf("%x: other bytes than in Node", streams[i])
		case err == nil:
			taken++
			b.Free()
		}
	}
	if taken < 100 || taken > len(streams)-100 {
		t.Errorf("%d of %d streams were good: too few of one kind", taken, len(streams))
	}
}

// TestBrotliNeverShowsAnotherBody: a decoder is used again and keeps bytes of the body before.
// A stream that goes back behind its own beginning must not get at them.
func TestBrotliNeverShowsAnotherBody(t *testing.T) {
	const secret = "the-key-of-another-client"
	before := encode("br", bytes.Repeat([]byte(secret), 2000))
	random := rand.New(rand.NewPCG(3, 4))
	whole := encode("br", bytes.Repeat([]byte("abcdefghij"), 200))
	for range 500 {
		b, err := Read(newRequest(bytes.NewReader(before), -1, "br"), testLimits)
		if err != nil {
			t.Fatal(err)
		}
		b.Free()
		damaged := bytes.Clone(whole)
		damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
		if b, err := Read(newRequest(bytes.NewReader(damaged), -1, "br"), testLimits); err == nil {
			if bytes.Contains(b.Bytes(), []byte(secret[:8])) {
				t.Fatalf("%x shows %q", damaged, b.Bytes())
			}
			b.Free()
		}
	}
}
