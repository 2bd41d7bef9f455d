package copies

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

const (
	keyText  = "iak_live_4fQzX9bT2mLw7RkYc1VhNd8sPgJu3EaO5qWxKA"
	otherKey = "phc_Zk3/Qm+7=w~Ü?a b\\\"x%y" // of bytes that encodings differ in
)

func keyOf(text string) *Key {
	k := Of([]byte(text))
	return &k
}

func percentAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

// percentTwice encodes what clients encode, twice.
func percentTwice(s string) string {
	if strings.ContainsAny(s, "%") {
		return percentAll(s) // of an encoded '%' there is no end
	}
	return strings.ReplaceAll(percentAll(s), "%", "%25")
}

func escapeAll(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, `\u%04X`, r)
	}
	return b.String()
}

func std(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// encodings are ways to write a key, each of which some decoder undoes.
func encodings(key string) map[string]string {
	all := map[string]string{
		"plain": key, "percent, all": percentAll(key), "JSON, all": escapeAll(key),
		"percent, the last":  key[:len(key)-1] + percentAll(key[len(key)-1:]),
		"percent, the first": percentAll(key[:1]) + key[1:],
		"percent in capital": strings.ToUpper(percentAll(key)),
		"JSON, one":          key[:4] + escapeAll(key[4:5]) + key[5:],
		"JSON in JSON":       key[:4] + `\` + escapeAll(key[4:5]) + key[5:],
		"percent twice":      percentTwice(key),
		"JSON in percent":    strings.ReplaceAll(escapeAll(key), `\`, "%5C"),
		"%u":                 strings.ReplaceAll(escapeAll(key), `\`, "%"),
		"both":               percentAll(key[:3]) + escapeAll(key[3:6]) + key[6:],
	}
	for n := range 4 {
		before := "abc"[:n]
		for i, e := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
			for _, after := range []string{"", "x", "xy"} {
				all[fmt.Sprint("base64 ", n, i, len(after))] = e.EncodeToString([]byte(before + key + after))
			}
		}
		all[fmt.Sprint("percent base64 ", n)] = strings.NewReplacer("=", "%3D", "+", "%2B", "/", "%2F").Replace(std(before + key + "?~>"))
		all[fmt.Sprint("JSON base64 ", n)] = strings.NewReplacer("/", `\/`).Replace(std(before + key + "?~>"))
	}
	return all
}

// TestIn: a copy is found in every encoding, whatever surrounds it, and what only looks like
// one is none.
func TestIn(t *testing.T) {
	for _, key := range []string{keyText, otherKey, "0123456789abcdef", "abcdabcdabcdabcdX", "%25%25%25%25%25%25%25%25"} {
		k := keyOf(key)
		for name, text := range encodings(key) {
			for _, around := range [][2]string{{"", ""}, {`{"a b":"`, `"}`}, {"x=", "&y=1"}, {strings.Repeat("lorem ipsum ", 50), " dolor"}, {" %41\\n%", ""}} {
				if !k.In(around[0] + text + around[1]) {
					t.Errorf("%s: %s: not found in %q", key, name, around[0]+text+around[1])
				}
			}
		}
		for _, text := range []string{"", key[1:], key[:len(key)-1], strings.Repeat(key[:len(key)-1]+" ", 9), std(key[1:]), strings.ToUpper(key[1:]) + "x", percentAll(key[1:]), escapeAll(key[1:]), strings.Repeat("A", 999), strings.Repeat("%", 99), strings.Repeat(`\`, 99)} {
			if k.In(text) && !strings.Contains(text, key) {
				t.Errorf("%s: found in %q", key, text)
			}
		}
	}
	if keyOf("short").In("short") {
		t.Error("a key that may be any word was found")
	}
}

// TestLongRun: runs are found wherever they begin and end, as a plain search finds them.
func TestLongRun(t *testing.T) {
	for _, ender := range []string{" ", `"`, "\x00", "!"} {
		for before := range 40 {
			for length := range 60 {
				text := strings.Repeat("ab"+ender, before) + strings.Repeat("x", length) + ender + "tail"
				start, end := longRun(text, 0, 17)
				want := 0
				if length >= 17 {
					want = 3*before + length
				}
				if end != want || want > 0 && start != 3*before {
					t.Fatalf("%q: %d to %d, want to %d", text, start, end, want)
				}
			}
		}
	}
	for c := range 256 {
		x := enders(load(strings.Repeat(string([]byte{byte(c)}), 8), 0))
		if (x == highBits) != isEnder(byte(c)) || x != 0 && x != highBits {
			t.Errorf("byte %#x: %x", c, x)
		}
	}
}

func b64(s string) string { return std(s) }

// TestCut: the pair, the parameter, the member goes whose whole value a copy is; of a longer
// text go its own bytes.
func TestCut(t *testing.T) {
	k := keyOf(keyText)
	type cut func(string) (string, bool)
	path := func(s string) (string, bool) { return k.Path(s, "key_1") }
	header := func(s string) (string, bool) { return k.headerValue("X-Any", s) }
	cookie := func(s string) (string, bool) { return k.headerValue("Cookie", s) }
	auth := func(s string) (string, bool) { return k.headerValue("Authorization", s) }
	K, P, U, B := keyText, percentAll(keyText), escapeAll(keyText), b64(keyText)
	for _, c := range []struct {
		name string
		cut  cut
		text string
		want string
	}{
		{"member", k.JSON, `{"a":1,"token":"` + K + `","b":2}`, `{"a":1,"b":2}`},
		{"member, the first", k.JSON, `{"token":"` + K + `","b":2}`, `{"b":2}`},
		{"member, the last", k.JSON, `{"a":1, "token" : "` + K + `" }`, `{"a":1  }`},
		{"member, the only one", k.JSON, `[{"token":"` + K + `"}]`, `[{}]`},
		{"members next to each other", k.JSON, `{"t":"` + K + `","u":"` + U + `","v":"` + P + `","w":1}`, `{"w":1}`},
		{"member, deep", k.JSON, `{"a":[[{"b":{"c":"` + U + `","d":{}}}]]}`, `{"a":[[{"b":{"d":{}}}]]}`},
		{"name", k.JSON, `{"a":1,"` + K + `":{"x":"` + K + `"}}`, `{"a":1}`},
		{"part of a name", k.JSON, `{"x` + K + `":1}`, `{"x":1}`},
		{"part of a text", k.JSON, `{"a":"see ` + K + `, please"}`, `{"a":"see , please"}`},
		{"element", k.JSON, `["a","` + K + `",1]`, `["a","",1]`},
		{"lines", k.JSON, "{\"a\":\"" + K + "\"}\n{\"b\":1,\"a\":\"" + U + "\"}\n", "{}\n{\"b\":1}\n"},
		{"JSON in a string", k.JSON, `{"a":"{\"t\":\"` + K + `\",\"n\":1}"}`, `{"a":"{\"t\":\"\",\"n\":1}"}`},
		{"base64 member", k.JSON, `{"a":"` + B + `","b":1}`, `{"b":1}`},
		{"base64 JSON", k.JSON, `{"a":"` + b64(`{"t":"`+K+`","u":1}`) + `"}`, `{"a":"` + b64(`{"u":1}`) + `"}`},
		{"base64 with an escaped slash", k.JSON, `{"a":"` + strings.ReplaceAll(b64(`ab?ab?a`+K+`??`), "/", `\/`) + `"}`, `{"a":"` + b64(`ab?ab?a??`) + `"}`},
		{"a URL in a string", k.JSON, `{"u":"https:\/\/x\/?k=` + P + `&y=1"}`, `{"u":"https:\/\/x\/?k=&y=1"}`},
		{"around an escape that is its neighbour", k.JSON, `{"a":"\n` + K + `\t"}`, `{"a":"\n\t"}`},
		{"behind a backslash", k.JSON, `{"a":"\\` + U + `\\"}`, `{"a":"\\\\"}`},

		{"parameter", k.Params, "a=1&k=" + K + "&b=2", "a=1&b=2"},
		{"parameter, the first", k.Params, "k=" + P + "&b=2", "b=2"},
		{"parameter, the last", k.Params, "a=1&k=" + P, "a=1"},
		{"parameter, the only one", k.Params, "k=" + K, ""},
		{"parameter without a name", k.Params, "a&" + K + "&b", "a&b"},
		{"name of a parameter", k.Params, "a&" + P + "=1;b", "a;b"},
		{"part of a value", k.Params, "a=x" + K + "y&b", "a=xy&b"},
		{"part of a name", k.Params, "a" + K + "=1", "a=1"},
		{"a leading ? does not come to lead", k.Params, "k=" + K + "&?a=1", "k=&?a=1"},
		{"base64 JSON in a parameter", k.Params, "data=" + b64(`{"t":"`+K+`","e":1}`), "data=" + b64(`{"e":1}`)},
		{"the same, escaped", k.Params, "data=" + strings.ReplaceAll(b64(`{"t":"`+K+`","e":12}`), "=", "%3D"), "data=" + strings.ReplaceAll(b64(`{"e":12}`), "=", "%3D")},
		{"JSON in a parameter", k.Params, "data=%7B%22t%22%3A%22" + K + "%22%7D", "data=%7B%22t%22%3A%22%22%7D"},

		{"cookie", cookie, "a=1; k=" + K + "; b=2", "a=1; b=2"},
		{"cookie, the first", cookie, "k=" + K + "; b=2", "b=2"},
		{"cookie, the only one", cookie, "k=" + P, ""},
		{"cookie, quoted", cookie, `a=1; k="` + K + `"`, "a=1"},
		{"cookie, a part", cookie, "a=x|" + K + "; b", "a=x|; b"},
		{"cookie with a base64", cookie, "a=" + b64("u:"+K), "a=" + b64("u:")},

		{"header", header, K, ""},
		{"element of a list", header, "a, " + K + ", b", "a, b"},
		{"parameter of a header", header, "Sentry sentry_version=7, sentry_key=" + K + ", x=y", "Sentry sentry_version=7, x=y"},
		{"parameter, the first", header, `Sentry sentry_key="` + K + `", x=y`, "Sentry x=y"},
		{"behind a semicolon", header, "text/plain; key=" + K, "text/plain"},
		{"a URL", header, "https://x/?k=" + K + "&y=1", "https://x/?y=1"},
		{"a URL, in the middle", header, "https://x/?y=1&k=" + P + "#f", "https://x/?y=1#f"},
		{"a URL, the only parameter", header, "https://x/?k=" + K, "https://x/"},
		{"a segment of a URL", header, "https://x/" + K + "/y", "https://x//y"},
		{"words", header, "agent/1.0 (" + K + "; linux)", "agent/1.0 (; linux)"},
		{"a scheme", auth, "ApiKey " + K, ""},
		{"Basic, password", auth, "Basic " + b64("user:"+K), "Basic " + b64("user:")},
		{"Basic, user", auth, "Basic " + b64(K+":"), ""},

		{"segment", path, "/a/" + K + "/b", "/a/key_1/b"},
		{"part of a segment", path, "/a/x-" + P, "/a/x-key_1"},
		{"segment in base64", path, "/" + strings.TrimRight(B, "="), "/key_1"},

		{"text", k.Text, "a " + K + " b", "a  b"},
		{"what remains is none", k.Text, "x" + K[:9] + K + K[9:] + "y", "xy"},
	} {
		if got, exact := c.cut(c.text); got != c.want || !exact {
			t.Errorf("%s: %s\n got %q (exact: %t)\nwant %q", c.name, c.text, got, exact, c.want)
		}
	}
}

// TestHalfAnEscape: a key whose first characters may be those of an escape leaves no half of
// one.
func TestHalfAnEscape(t *testing.T) {
	for _, c := range [][4]string{
		{"params", "41abcdef0123456789", "a=x%41abcdef0123456789y&b", "a=xy&b"},
		{"params", "1abcdef01234567890", "a=x%41abcdef01234567890&b", "a=x&b"},
		{"json", "n_bcdef0123456789", `{"a":"x\n_bcdef0123456789"}`, `{"a":"x"}`},
		{"json", "n_bcdef0123456789", `{"a":"x\\n_bcdef0123456789"}`, `{"a":"x\\"}`},
		{"json", "e9abcdef0123456789", `{"a":"x\u00e9abcdef0123456789"}`, `{"a":"x"}`},
		{"header", "n_bcdef0123456789", `C:\n_bcdef0123456789`, `C:\`},
	} {
		if got, exact := cutKind(keyOf(c[1]), c[0], c[2]); got != c[3] || !exact {
			t.Errorf("%s: %s: %s, exact: %t, want %s", c[1], c[2], got, exact, c[3])
		}
	}
}

// TestNotExact: what cannot be cut such that all else keeps its meaning is said to be so, and
// nothing of the key is left.
func TestNotExact(t *testing.T) {
	k := keyOf(keyText)
	number := keyOf("1234567890123456")
	comma := keyOf(`abcdefgh","ijklmnop`)
	for name, got := range map[string]func() (string, bool){
		"base64 that begins in a run": func() (string, bool) { return k.Text("x" + b64("ab"+keyText) + "yz") },
		"base64 of what is no text":   func() (string, bool) { return k.Text(b64("\n\x2f" + keyText + "\x00\x01")) },
		"part of a number":            func() (string, bool) { return number.JSON(`{"a":12345678901234567}`) },
		"between strings":             func() (string, bool) { return comma.JSON(`["abcdefgh","ijklmnop"]`) },
		"a parameter that would lead": func() (string, bool) { return k.Params(keyText + "&?a=1") },
		"Content-Type":                func() (string, bool) { return k.headerValue("Content-Type", "application/"+keyText+"json") },
		"copies in copies": func() (string, bool) {
			text := keyText
			for range 9 {
				text = text[:5] + text + text[5:]
			}
			return k.Text(text)
		},
	} {
		text, exact := got()
		if exact || k.In(text) || number.In(text) {
			t.Errorf("%s: %q, exact: %t", name, text, exact)
		}
	}
}

// TestShortKeys: of a key that may be a word, only whole values are copies.
func TestShortKeys(t *testing.T) {
	k := keyOf("demo-acme")
	for name, c := range map[string][2]string{
		"JSON":   {`{"a":"demo-acme","b":"demo-acme.example","c":["demo-acme","\u0064emo-acme"]}`, `{"b":"demo-acme.example","c":["",""]}`},
		"params": {"a=demo-acme&b=demo-acme2&%64emo-acme", "b=demo-acme2"},
		"path":   {"/demo-acme/xdemo-acme", "/key_1/xdemo-acme"},
		"text":   {"demo-acme is a word", "demo-acme is a word"},
		"header": {"a, demo-acme, demo-acme2; b=demo-acme", "a, demo-acme2"},
	} {
		out, exact := map[string]func(string) (string, bool){
			"JSON": k.JSON, "params": k.Params, "text": k.Text,
			"path":   func(s string) (string, bool) { return k.Path(s, "key_1") },
			"header": func(s string) (string, bool) { return k.headerValue("X-Any", s) },
		}[name](c[0])
		if out != c[1] || !exact {
			t.Errorf("%s: %q, exact: %t, want %q", name, out, exact, c[1])
		}
	}
}

func TestHeaders(t *testing.T) {
	k := keyOf(keyText)
	h := http.Header{"X-A": {"1", keyText, "2"}, "X-B": {keyText}, "Cookie": {"k=" + keyText}, "X-C": {"c"}, "X-D": {"x " + keyText}}
	found, exact := k.Headers(h)
	if want := fmt.Sprint(http.Header{"X-A": {"1", "2"}, "X-C": {"c"}, "X-D": {"x"}}); fmt.Sprint(h) != want || !exact || fmt.Sprint(found.Names()) != "[header cookie]" {
		t.Errorf("%v, exact: %t, in %v", h, exact, found.Names())
	}
	trailer := http.Header{"X-A": {"x" + keyText}, "X-B": {"b"}}
	if !k.Trailers(trailer) || len(trailer) != 1 {
		t.Errorf("trailers: %v", trailer)
	}
}

// TestInAllocatesNothing: it is asked of every request.
func TestInAllocatesNothing(t *testing.T) {
	text := []byte(`{"a":"` + strings.Repeat("lorem ipsum ", 70) + `","u":"https:\/\/example.com\/a%20very/long/path/to/something/that/is/no/key?x=1"}`)
	raw := []byte(keyText)
	if n := testing.AllocsPerRun(100, func() {
		k := Of(raw)
		if k.InBytes(text) {
			t.Error("found")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkIn(b *testing.B) {
	lorem := `{"event":"signup","properties":{"plan":"pro","text":"` + strings.Repeat("lorem ipsum ", 70) + `"}}`
	event := `{"type":"track","messageId":"node-next-1732712345678-6a1f0f0e-7b1c-4c53-9c60-0a1b2c3d4e5f","timestamp":"2024-11-27T12:59:05.678Z","event":"Order Completed","userId":"97980cfea0067","properties":{"order_id":"50314b8e9bcf000000000000","total":27.5,"currency":"USD","url":"https://www.example.com/products/monopoly-3rd-edition?utm_source=newsletter&utm_campaign=fall","products":[{"product_id":"507f1f77bcf86cd799439011","sku":"45790-32","name":"Monopoly: 3rd Edition","price":19,"quantity":1}]},"context":{"library":{"name":"@segment/analytics-node","version":"1.1.0"},"ip":"192.0.2.44"},"sentAt":"2024-11-27T12:59:06.012Z"}`
	for name, text := range map[string]string{"lorem": lorem, "event": event} {
		for _, key := range []string{keyText, keyText[:22]} {
			b.Run(fmt.Sprint(name, len(key)), func(b *testing.B) {
				raw, body := []byte(key), []byte(text)
				b.SetBytes(int64(len(body)))
				for b.Loop() {
					k := Of(raw)
					if k.InBytes(body) {
						b.Fatal("found")
					}
				}
			})
		}
	}
}
