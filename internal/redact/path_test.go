package redact

import (
	"slices"
	"strings"
	"testing"
)

func pathNames() *Names {
	n := NewNames()
	n.AddPath("/array/{key}/config.js", "/services/{team}/{key}/*", "/{key}/hook", "no pattern")
	return n
}

// TestKeysInPaths: whatever some reader takes for the path of a pattern, in URLs and in prose.
func TestKeysInPaths(t *testing.T) {
	n := pathNames()
	for text, want := range map[string]string{
		"/array/KEY/config.js":                  "/array/REDACTED/config.js",
		"/array/KEY/config.js?x=1":              "/array/REDACTED/config.js?x=1",
		"/in/array/KEY/config.js":               "/in/array/REDACTED/config.js",
		"/ARRAY/KEY/Config.JS/":                 "/ARRAY/REDACTED/Config.JS/",
		"/array//KEY/./config.js":               "/array//REDACTED/./config.js",
		"/array/x/../KEY/config.js":             "/array/x/../REDACTED/config.js",
		"/array/x/%2E%2e/KEY/config.js":         "/array/x/%2E%2e/REDACTED/config.js",
		"/arr%61y/K%45Y/config%2ejs":            "/arr%61y/REDACTED/config%2ejs",
		"/arr%2561y/KEY/config.js":              "/arr%2561y/REDACTED/config.js",
		"/array;v=1/KEY;x=KEY/config.js":        "/array;v=1/REDACTED/config.js",
		"/array. /KEY/config.js":                "/array. /REDACTED/config.js",
		`\array\KEY\config.js`:                  `\array\REDACTED\config.js`,
		"/array%2FKEY%2Fconfig.js":              "/REDACTED",
		"https://h.example/array/KEY/config.js": "https://h.example/array/REDACTED/config.js",
		"/services/T/KEY":                       "/services/T/REDACTED",
		"/services/T/KEY/more":                  "/services/T/REDACTED/more",
		"/services/T":                           "/services/T",
		"/array/KEY":                            "/array/KEY",
		"/a?next=/services/T/KEY":               "/a?next=/services/T/REDACTED",
		"/KEY/hook":                             "/REDACTED/hook",
		"https://h.example/KEY/hook":            "https://h.example/REDACTED/hook",
		"/x/KEY/hook":                           "/x/KEY/hook",
		"/array/REDACTED/config.js":             "/array/REDACTED/config.js",
		"/track?apiKey=KEY":                     "/track?apiKey=REDACTED",
	} {
		if got := n.URL(text); got != want {
			t.Errorf("URL %s: %s, want %s", text, got, want)
		}
	}
	for text, want := range map[string]string{
		`Get "https://h/array/KEY/config.js": EOF`: `Get "https://h/array/REDACTED/config.js": EOF`,
		"open /services/T/KEY failed":              "open /services/T/REDACTED failed",
		`{"url":"\/services\/T\/KEY\/x"}`:          `{"url":"\/services\/T\/REDACTED\/x"}`,
		"and/or x/hook":                            "and/or x/hook",
	} {
		if got := n.Text(text); got != want {
			t.Errorf("Text %s: %s, want %s", text, got, want)
		}
	}
	for caller, want := range map[string]string{"key_a": "/array/key_a/config.js?token=REDACTED", "": "/array/REDACTED/config.js?token=REDACTED"} {
		c := n.Cleaner(false)
		c.Caller = caller
		if got := c.Value("uri", "/array/KEY/config.js?token=KEY"); got != want {
			t.Errorf("of %q: %s", caller, got)
		}
		if got := c.Value("Referer", "/array/KEY/config.js"); got != "/array/REDACTED/config.js" {
			t.Errorf("a Referer of %q: %s", caller, got)
		}
		c.Free()
	}
	if got := n.Value("url.path", "/KEY/hook"); got != "/REDACTED/hook" {
		t.Errorf("url.path: %s", got)
	}
}

// TestKeysInPathsLinear: a long path takes linear time. A quadratic one would take minutes.
func TestKeysInPathsLinear(t *testing.T) {
	n := pathNames()
	for _, piece := range []string{"/", "/.", "/..", "/array", "/a/..", "%2f", "%252f", ";/", "/%", "?/"} {
		n.URL(strings.Repeat(piece, 1<<20/len(piece)))
	}
}

// TestPathsNeedNoMemory: a cleaner splits all the paths of a log entry in the same room, and
// forgets what was in it.
func TestPathsNeedNoMemory(t *testing.T) {
	c := pathNames().Cleaner(false)
	const text = "https://h.example/v1/arr%61y/" + canary + "/x?a=/b/c"
	if allocs := testing.AllocsPerRun(1000, func() { c.URL(text) }); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
	decoded, steps := c.decoded[:cap(c.decoded)], c.steps[:cap(c.steps)]
	c.Free()
	if strings.Contains(string(decoded), canary) || slices.ContainsFunc(steps, func(s step) bool { return s.text != nil }) {
		t.Error("the text is kept")
	}
}
