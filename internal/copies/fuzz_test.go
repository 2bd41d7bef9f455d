package copies

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
)

// choices are what a fuzzer chooses from.
type choices []byte

func (c *choices) next(n int) int {
	if len(*c) == 0 {
		return 0
	}
	v := int((*c)[0]) % n
	*c = (*c)[1:]
	return v
}

// chunks are texts around copies.
var chunks = []string{
	"", "a", " ", "é", "\n", `\`, `\\`, `"`, "%", "%2", "%25", "+", "=", "&", ";", "?", "#", "/", "-", "_", "u0069", "%69", "iak_", keyText[:20], keyText[20:],
	"Zm9v", "AAAA", "lorem ipsum dolor", "https://x/?a=1", "{", "]", "😀", ":", ",", "key",
}

// lenient returns a text, which may be base64, as lenient readers take it: padding and alphabet may be others.
func lenient(text string) string {
	return strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(text), "=")
}

// aText is a text with copies, as it is to be read, and as it is written.
type aText struct {
	left    string // without the copies
	copies  bool
	written string
}

// text makes a text. write is how its container writes a text.
func (c *choices) text(write func(string) string) (t aText) {
	if c.next(6) == 1 {
		return c.coded(write)
	}
	for range c.next(5) {
		if c.next(2) == 0 {
			chunk := chunks[c.next(len(chunks))]
			t.left += chunk
			t.written += write(chunk)
			continue
		}
		t.copies = true
		t.written += c.copy()
	}
	return t
}

// copy writes the key, each of its characters in any way that JSON, queries and headers allow.
func (c *choices) copy() string {
	if c.next(3) == 0 {
		return keyText
	}
	var b strings.Builder
	for _, r := range keyText {
		switch c.next(8) {
		case 0:
			fmt.Fprintf(&b, "%%%02X", r)
		case 1:
			fmt.Fprintf(&b, "%%%02x", r)
		case 2:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// coded makes a text in base64 with copies in it.
func (c *choices) coded(write func(string) string) (t aText) {
	inner := ""
	for range 1 + c.next(3) {
		before := strings.Repeat("ab?", c.next(2)) + "xy"[:c.next(3)]
		t.left += before
		inner += before
		if c.next(2) == 0 {
			inner += keyText
			t.copies = true
		}
	}
	e := []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawURLEncoding}[c.next(3)]
	t.written = write(e.EncodeToString([]byte(inner)))
	if t.left != "" {
		t.left = e.EncodeToString([]byte(t.left))
	}
	return t
}

// FuzzCopies: of a text with copies in it, nothing that is left decodes to the key, and it is
// read as it would have been written without them, unless it is said not to be exact.
func FuzzCopies(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		seed := make([]byte, 20+r.IntN(200))
		for i := range seed {
			seed[i] = byte(r.IntN(256))
		}
		f.Add(seed)
	}
	kinds := []func(t *testing.T, c *choices){fuzzJSON, fuzzParams, fuzzText, fuzzOthers}
	f.Fuzz(func(t *testing.T, seed []byte) {
		c := choices(seed)
		kinds[c.next(len(kinds))](t, &c)
	})
}

// nothingLeft checks that no decoder finds the key.
func nothingLeft(t *testing.T, before, after string) {
	t.Helper()
	if how := decodertest.Holds(after, keyText); how != "" {
		t.Errorf("%s\n now %s\nstill has the key in %s", before, after, how)
	}
}

// gone tells whether a text was nothing but copies.
func (a *aText) gone() bool { return a.copies && a.left == "" }

// unclear tells whether chunks and copies together make another copy.
func (a *aText) unclear() bool { return decodertest.Holds(a.left, keyText) != "" }

// node is a JSON value.
type node struct {
	text     *aText // of a string
	members  []member
	elements []*node
}

type member struct {
	name  aText
	value *node
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

func (c *choices) node(depth int) *node {
	n := new(node)
	switch kind := c.next(4); {
	case kind == 0 && depth > 0:
		n.members = []member{}
		for range c.next(4) {
			n.members = append(n.members, member{c.text(quoted), c.node(depth - 1)})
		}
	case kind == 1 && depth > 0:
		n.elements = []*node{}
		for range c.next(4) {
			n.elements = append(n.elements, c.node(depth-1))
		}
	case kind < 3:
		text := c.text(quoted)
		n.text = &text
	}
	return n
}

// write writes a value; space is white space between its tokens.
func (n *node) write(b *strings.Builder, space string) {
	switch {
	case n.members != nil:
		b.WriteString("{" + space)
		for i, m := range n.members {
			if i > 0 {
				b.WriteString("," + space)
			}
			b.WriteString(`"` + m.name.written + `"` + space + ":" + space)
			m.value.write(b, space)
			b.WriteString(space)
		}
		b.WriteString("}")
	case n.elements != nil:
		b.WriteString("[" + space)
		for i, e := range n.elements {
			if i > 0 {
				b.WriteString(space + ",")
			}
			e.write(b, space)
		}
		b.WriteString("]")
	case n.text != nil:
		b.WriteString(`"` + n.text.written + `"`)
	default:
		b.WriteString("1.50")
	}
}

// left returns the value as it is to be read, with its members in order; padding aside.
func (n *node) left(unclear *bool) any {
	text := func(a *aText) string {
		*unclear = *unclear || a.unclear()
		return lenient(a.left)
	}
	switch {
	case n.members != nil:
		all := []any{"object"}
		for _, m := range n.members {
			value := m.value.left(unclear)
			if name := text(&m.name); !m.name.gone() && (m.value.text == nil || !m.value.text.gone()) {
				all = append(all, name, value)
			}
		}
		return all
	case n.elements != nil:
		all := []any{"array"}
		for _, e := range n.elements {
			all = append(all, e.left(unclear))
		}
		return all
	case n.text != nil:
		return text(n.text)
	}
	return json.Number("1.50")
}

// decoded reads the next value as left writes it.
func decoded(t *testing.T, d *json.Decoder) any {
	t.Helper()
	token, err := d.Token()
	if err != nil {
		t.Fatal(err)
	}
	switch v := token.(type) {
	case json.Delim:
		all := []any{map[json.Delim]string{'{': "object", '[': "array"}[v]}
		for d.More() {
			all = append(all, decoded(t, d))
		}
		_, _ = d.Token()
		return all
	case string:
		return lenient(v)
	}
	return token
}

func fuzzJSON(t *testing.T, c *choices) {
	t.Helper()
	n := c.node(3)
	var before strings.Builder
	n.write(&before, []string{"", " ", "\n\t"}[c.next(3)])
	after, exact := keyOf(keyText).JSON(before.String())
	nothingLeft(t, before.String(), after)
	unclear := false
	want := n.left(&unclear)
	if !exact || unclear {
		return
	}
	d := json.NewDecoder(strings.NewReader(after))
	d.UseNumber()
	if got := decoded(t, d); !json.Valid([]byte(after)) || !reflect.DeepEqual(got, want) {
		t.Errorf("%s\n now %s\nwhich is %q\n   want %q", before.String(), after, got, want)
	}
}

func fuzzParams(t *testing.T, c *choices) {
	t.Helper()
	var written, want []string
	unclear := false
	for range 1 + c.next(5) {
		name, value := c.text(url.QueryEscape), c.text(url.QueryEscape)
		unclear = unclear || name.unclear() || value.unclear()
		written = append(written, name.written+"="+value.written)
		if !name.gone() && !value.gone() {
			want = append(want, lenient(name.left)+"\x00"+lenient(value.left))
		}
	}
	before := strings.Join(written, "&")
	after, exact := keyOf(keyText).Params(before)
	nothingLeft(t, before, after)
	if !exact || unclear {
		return
	}
	var got []string
	for param := range strings.SplitSeq(after, "&") {
		name, value, _ := strings.Cut(param, "=")
		name, _ = url.QueryUnescape(name)
		value, err := url.QueryUnescape(value)
		if err != nil {
			t.Errorf("%s\n now %s: %v", before, after, err)
		}
		if after != "" {
			got = append(got, lenient(name)+"\x00"+lenient(value))
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s\n now %s\nwhich is %q\n   want %q", before, after, got, want)
	}
}

func fuzzText(t *testing.T, c *choices) {
	t.Helper()
	text := c.text(func(s string) string { return s })
	after, exact := keyOf(keyText).Text(text.written)
	nothingLeft(t, text.written, after)
	if exact && !text.unclear() && !strings.Contains(text.left, `\`) && lenient(after) != lenient(text.left) {
		t.Errorf("%q\n now %q\nwant %q", text.written, after, text.left)
	}
}

// fuzzOthers is for what is cut with what stands around it.
func fuzzOthers(t *testing.T, c *choices) {
	t.Helper()
	k := keyOf(keyText)
	for _, name := range []string{"X-Any", "Cookie", "Authorization"} {
		text := c.text(func(s string) string { return s })
		after, _ := k.headerValue(name, text.written)
		nothingLeft(t, text.written, after)
	}
	path := c.text(url.PathEscape)
	after, _ := k.Path("/"+path.written, "key_1")
	nothingLeft(t, path.written, after)
}
