package redact

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/keysync"
)

// keys is a source that holds these.
type keys []string

func (k keys) Knows(d keysync.Digest) bool {
	for _, key := range k {
		if keysync.DigestOf([]byte(key)) == d {
			return true
		}
	}
	return false
}

// Keys of sources: of our own alphabet, base64, words with dots, and short.
const (
	keyWord   = "Q7xkV2mPz9LrT4wb"
	keyBase64 = "Vx+qu/7Hq2vXc9zLmT4wRb=="
	keyDots   = "team-7.c0llector.eu~prod"
	keyLong   = "onlylettersinit-yes"
	keyShort  = "k3y-shrt"
	keyColon  = "123456:AAF-qx7"
)

func knowing(list ...string) *Names {
	n := NewNames()
	n.AddSource(keys(list))
	return n
}

func escapeAll(s, format string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, format, s[i])
	}
	return b.String()
}

// TestKnownKeys: a key is found by its value, whatever its place is called, and nothing else
// is removed.
func TestKnownKeys(t *testing.T) {
	b64 := base64.StdEncoding.EncodeToString
	for _, key := range []string{keyWord, keyBase64, keyDots, keyLong, keyShort, keyColon} {
		n := knowing("some-0ther-key", key)
		json := `{"a":[1,{"deep":"` + key + `"}],"b":"ü"}`
		for text, want := range map[string]string{
			key:                                                               "REDACTED",
			"sent " + key + ", sorry":                                         "sent REDACTED, sorry",
			"(" + key + ").":                                                  "(REDACTED).",
			`{"zz":"` + key + `","a":1}`:                                      `{"zz":"REDACTED","a":1}`,
			"zz=" + url.QueryEscape(key):                                      "zz=REDACTED",
			"/x?zz=" + key + "&a=1":                                           "/x?zz=REDACTED&a=1",
			"<" + key + ">|" + "'" + key + "'":                                "<REDACTED>|'REDACTED'",
			"zz=" + escapeAll(key, "%%%02x") + "&a=%20":                       "zz=REDACTED&a=%20",
			"zz=" + escapeAll(key, "%%25%02X") + "&a=%20":                     "zz=REDACTED&a=%20",
			`{"zz":"` + escapeAll(key, `\u%04X`) + `","a":"\n"}`:              `{"zz":"REDACTED","a":"\n"}`,
			`{"zz":"\n` + strings.ReplaceAll(key, "/", `\/`) + `"}`:           `{"zz":"\nREDACTED"}`,
			"data=" + url.QueryEscape(b64([]byte(json))) + "&a=1":             "data=REDACTED&a=1",
			"x " + b64([]byte("user:"+key)) + " y":                            "x REDACTED y",
			"x " + b64([]byte(key+":")) + " y":                                "x REDACTED y",
			"/x/" + base64.RawURLEncoding.EncodeToString([]byte(json)) + "/y": "/x/REDACTED/y",
			"v1." + base64.RawURLEncoding.EncodeToString([]byte("zz="+escapeAll(key, "%%%02x"))) + ".y": "v1.REDACTED.y",
			b64([]byte(`{"zz":"` + b64([]byte(json)) + `"}`)):                                           "REDACTED",
		} {
			for name, clean := range map[string]func(string) string{"Text": n.Text, "Value": func(s string) string { return n.Value("zz", s) }} {
				if got := clean(text); got != want {
					t.Errorf("%s(%q)\n got %q\nwant %q", name, text, got, want)
				}
			}
			if got := NewNames().Text(text); got != text {
				t.Errorf("Text(%q) = %q without a source: the test tests another rule", text, got)
			}
		}
	}
}

// TestKnownKeysInPaths: parts of a path are looked up one by one and together.
func TestKnownKeysInPaths(t *testing.T) {
	for _, key := range []string{keyWord, keyBase64, keyDots, keyLong, keyShort} {
		n := knowing(key)
		for in, want := range map[string]string{
			"/array/" + key + "/config.js":            "/array/REDACTED/config.js",
			"/services/a/b/c/d/e/f/g/h/i/j/" + key:    "/services/a/b/c/d/e/f/g/h/i/j/REDACTED",
			"https://" + key + ".example.com/x?a=1":   "https://REDACTED.example.com/x?a=1",
			"/x;v=" + key + "/y":                      "/x;v=REDACTED/y",
			"/x/" + url.PathEscape(key) + "/y#" + key: "/x/REDACTED/y#REDACTED",
		} {
			if key == keyDots && strings.HasPrefix(in, "https:") || key == keyBase64 && strings.HasPrefix(in, "https:") {
				continue // no label of a host name
			}
			if got := n.URL(in); got != want {
				t.Errorf("URL(%q)\n got %q\nwant %q", in, got, want)
			}
		}
	}
}

// TestBase64BehindText: what stands before base64 may read on into it as text by chance.
func TestBase64BehindText(t *testing.T) {
	const key = "OMMMMMMM-MMMMMMMM-M3=="
	n := knowing(key)
	for _, before := range []string{strings.Repeat("0", 33) + "/", strings.Repeat("TU1N", 10) + "T/", strings.Repeat("A7b/", 20)} {
		text := before + base64.RawURLEncoding.EncodeToString([]byte(key)) + ".0"
		if got, want := n.Text(text), before+"REDACTED.0"; got != want {
			t.Errorf("Text(%q)\n got %q\nwant %q", text, got, want)
		}
	}
}

// TestWhereValuesEnd: a key that is not a separate token, is too short, or is encoded too
// many times, is not found by its value. docs/security.md says so.
func TestWhereValuesEnd(t *testing.T) {
	n := knowing(keyWord, "shrt-k1", "elevenchars")
	json := base64.StdEncoding.EncodeToString
	for _, text := range []string{
		"x" + keyWord, keyWord + "_", "shrt-k1", "elevenchars", strings.ToLower(keyWord), keyWord[1:],
		json([]byte(json([]byte(json([]byte(keyWord + "and"))))))[1:],
	} {
		if got := n.Text(text); got != text {
			t.Errorf("Text(%q) = %q: then let docs/security.md say that it is found", text, got)
		}
	}
}

func TestSourcesComeAndGo(t *testing.T) {
	n := NewNames()
	first, second := n.AddSource(keys{keyWord}), n.AddSource(keys{keyWord, keyShort})
	second()
	second()
	if got := n.Text(keyWord + " " + keyShort); got != "REDACTED "+keyShort {
		t.Errorf("of two sources one has gone: %q", got)
	}
	first()
	if got := n.Text(keyWord); got != keyWord {
		t.Errorf("all sources have gone: %q", got)
	}
}

// TestShapes: a vendor's key is known by its form.
func TestShapes(t *testing.T) {
	n := NewNames()
	for _, s := range shapes {
		key := s.prefix + strings.Repeat("A7b", 14)
		for in, want := range map[string]string{
			key: "REDACTED", "/x/" + key + "/y?zz=" + key: "/x/REDACTED/y?zz=REDACTED", `{"zz":"` + key + `"}`: `{"zz":"REDACTED"}`,
			"x-" + key + ".": "x-REDACTED.", url.QueryEscape("a " + key): "a+REDACTED", s.prefix + "short": s.prefix + "short",
		} {
			if got := n.Text(in); got != want {
				t.Errorf("Text(%q) = %q, want %q", in, got, want)
			}
		}
	}
	jwt := "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhY21lIn0aaaa.c2lnbmF0dXJl-_x"
	for in, want := range map[string]string{
		"x " + jwt + " y": "x REDACTED y", "SG." + keyWord + "." + keyWord: "REDACTED", "hvs.CAESI" + keyWord: "REDACTED",
		"eyJhIjoxfQ":   "eyJhIjoxfQ",   // base64 of {"a":1}
		"x.eyJ.b":      "x.eyJ.b",      //
		"taskhp_x":     "taskhp_x",     //
		"glc_handler":  "glc_handler",  // prose
		"mySG.package": "mySG.package", //
	} {
		if got := n.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPatterns(t *testing.T) {
	n := NewNames()
	remove := n.AddPattern(regexp.MustCompile(`acme-\d{4}`))
	other := n.AddPattern(regexp.MustCompile(`(?i)zz[a-f]+zz`))
	for in, want := range map[string]string{
		"/x/acme-1234/y": "/x/REDACTED/y", "a acme-12345": "a REDACTED5", "acme%2D1234": "REDACTED", "acme-123": "acme-123", "ZZfaceZZ": "REDACTED",
	} {
		if got := n.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	remove()
	if got := n.Text("acme-1234 zzfzz"); got != "acme-1234 REDACTED" {
		t.Errorf("after one pattern has gone: %q", got)
	}
	other()
}

// TestStrict: in a request without a good key everything that could be a key is removed.
func TestStrict(t *testing.T) {
	c := NewNames().Cleaner(true)
	defer c.Free()
	for _, tt := range []struct{ name, in, want string }{
		{"X-Team", keyWord, "REDACTED"},
		{"X-Team", "Sentry v=7, k=" + keyWord + " x", "Sentry v=7, k=REDACTED x"},
		{"X-Team", keyBase64, "REDACTED"},
		{"X-Team", base64.StdEncoding.EncodeToString([]byte("aa:" + keyWord)), "REDACTED"},
		{"X-Team", "0d3f6c1e-8a52-4d3b-9c1f-7f3b9c1d5e21", "REDACTED"},
		{"X-Team", "justwordsinhere andsomemoreofthem", "justwordsinhere andsomemoreofthem"},
		{"X-Team", "1762171200.123456789 15chars-of-it-0", "1762171200.123456789 15chars-of-it-0"},
		{"X-Team", "2025-11-03T12:00:00.000Z", "2025-11-03T12:00:00.000Z"},
		{"uri", "/v1/project/p1/datasource/d1/stream/events?page=2", "/v1/project/p1/datasource/d1/stream/events?page=2"},
		{"uri", "/array/" + keyWord + "/config.v2.js?v=" + keyBase64, "/array/REDACTED/config.v2.js?v=REDACTED"},
		{"uri", "/x/Q7xkV2%6dPz9LrT4wb/y", "/x/REDACTED/y"},
		{"Referer", "https://app-eu1.example.com/" + keyWord, "https://app-eu1.example.com/REDACTED"},
		{"Traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
		{"X-Request-Id", "0d3f6c1e-8a52-4d3b-9c1f-7f3b9c1d5e21", "0d3f6c1e-8a52-4d3b-9c1f-7f3b9c1d5e21"},
		{"X-Request-Id", "phc_" + keyWord, "REDACTED"},
		{"User-Agent", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/142.0.0.0", "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 Chrome/142.0.0.0"},
		{"User-Agent", "zq/1.0 " + keyWord, "zq/1.0 REDACTED"},
		{"Content-Type", "application/vnd.zq.v2+json; charset=utf-8", "application/vnd.zq.v2+json; charset=utf-8"},
	} {
		if got := c.Value(tt.name, tt.in); got != tt.want {
			t.Errorf("%s: %q became %q, want %q", tt.name, tt.in, got, tt.want)
		}
	}
	if got := NewNames().Value("X-Team", keyWord); got != keyWord {
		t.Errorf("%q without being strict", got)
	}
}

// FuzzKnownKeys plants a key that a source holds between any two texts, in the ways that
// clients write one, and looks for it in what comes out with decoders that are not ours.
func FuzzKnownKeys(f *testing.F) {
	f.Add([]byte("0123456789abcdefghij"), "a=1", "b=2", uint8(0), uint8(0))
	for form := range uint8(12) {
		f.Add([]byte("k+/=.7~-_Zabcdefghijklm"), `{"a":"\u00fc`, "%zz", form, form*7)
	}
	f.Fuzz(func(t *testing.T, seed []byte, before, after string, form, border uint8) {
		key := keyOf(seed)
		if key == "" || len(before)+len(after) > 300 {
			t.Skip()
		}
		first, last := borders[int(border)%len(borders)], borders[int(border/16)%len(borders)]
		if before == "" {
			first = ""
		}
		if after == "" {
			last = ""
		}
		text, rest := before+first+written(key, form)+last+after, before+after
		with, without := knowing(key), NewNames()
		for name, clean := range map[string]func(*Names, string) string{"Text": (*Names).Text, "URL": (*Names).URL, "Query": (*Names).Query} {
			if got := clean(with, text); reads(got, key, 3) {
				t.Errorf("%s(%q) = %q, in which %q can be read", name, text, got, key)
			}
			if a, b := clean(with, rest), clean(without, rest); a != b && !reads(rest, key, 3) {
				t.Errorf("%s(%q) = %q, want %q: there is no key in it", name, rest, a, b)
			}
		}
	})
}

// borders are what may be between a key and the text around it.
var borders = []string{" ", "\n", "&zz=", "/", `"`, ",", ":", ";", ".", "\t", "%20", `\n`, "'", "(", "%22", "|"}

// keyOf makes a key of bytes, as keys are: long enough, of letters, digits and something
// between them.
func keyOf(seed []byte) string {
	const between = "-_.~+/"
	var b []byte
	for i, c := range seed[:min(len(seed), 60)] {
		if c = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"[int(c)%62]; i%9 == 8 {
			c = between[int(seed[i])%len(between)]
		}
		b = append(b, c)
	}
	key := strings.Trim(string(b), between)
	if !couldBeKey([]byte(key)) || mixOfAll([]byte(key))&random == 0 {
		return ""
	}
	return key + "=="[:int(seed[0])%3]
}

// written writes a key as clients do.
func written(key string, form uint8) string {
	b64, raw := base64.StdEncoding, base64.RawURLEncoding
	switch form % 12 {
	case 1:
		return url.QueryEscape(key)
	case 2:
		return escapeAll(key, "%%%02x")
	case 3:
		return escapeAll(key, "%%25%02X")
	case 4:
		return escapeAll(key, `\u%04x`)
	case 5:
		return strings.ReplaceAll(strconv.Quote(key), "/", `\/`)
	case 6:
		return b64.EncodeToString([]byte("user:" + key))
	case 7:
		return raw.EncodeToString([]byte(`{"a":"ü","zz":"` + key + `"}`))
	case 8:
		return url.QueryEscape(b64.EncodeToString([]byte(`[{"zz":"` + key + `"}]`)))
	case 9:
		return b64.EncodeToString([]byte("zz=" + url.QueryEscape(key) + "&a=1"))
	case 10:
		return raw.EncodeToString([]byte(key))
	case 11:
		return b64.EncodeToString([]byte(raw.EncodeToString([]byte(key))))
	}
	return key
}

var (
	percentEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	jsonEscape    = regexp.MustCompile(`\\(u[0-9A-Fa-f]{4}|["/\\])`)
	base64Run     = regexp.MustCompile(`[A-Za-z0-9_+/-]{11,}`)
)

// reads reports whether key can be read in text, with so many decoders one after the other.
func reads(text, key string, depth int) bool {
	if strings.Contains(text, key) {
		return true
	}
	if depth == 0 {
		return false
	}
	unpercented := percentEscape.ReplaceAllStringFunc(text, func(s string) string { u, _ := url.PathUnescape(s); return u })
	unquoted := jsonEscape.ReplaceAllStringFunc(text, func(s string) string {
		if s[1] != 'u' {
			return s[1:]
		}
		r, _ := strconv.ParseUint(s[2:], 16, 16)
		return string(rune(r))
	})
	for _, decoded := range []string{unpercented, unquoted} {
		if decoded != text && reads(decoded, key, depth-1) {
			return true
		}
	}
	for _, run := range base64Run.FindAllString(text, -1) {
		for _, enc := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			for from := range len(run) {
				if from > 0 && run[from-1] != '/' && run[from-1] != '+' {
					continue
				}
				decoded, _ := enc.DecodeString(run[from:])
				if len(decoded) >= minToken && reads(string(decoded), key, depth-1) {
					return true
				}
			}
		}
	}
	return false
}

// TestKnownKeysBehindEachOther: the next key is looked for where the last one ends, also if
// what stands between the two is its first byte.
func TestKnownKeysBehindEachOther(t *testing.T) {
	const slashed = "/a1b2c3d4-e5f6g7h8"
	n := knowing(keyWord, keyDots, slashed)
	for text, want := range map[string]string{
		keyWord + slashed:                              "REDACTED",
		keyWord + slashed + "/x":                       "REDACTED/x",
		keyWord + "/" + keyWord + "." + keyWord + "/y": "REDACTED/REDACTED.REDACTED/y",
		keyDots + slashed + slashed:                    "REDACTED",
		"/x/" + keyWord + "/" + keyDots:                "/x/REDACTED/REDACTED",
	} {
		if got := n.Text(text); got != want {
			t.Errorf("Text(%q)\n got %q\nwant %q", text, got, want)
		}
	}
}
