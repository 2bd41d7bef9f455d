package credential

import (
	"maps"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/config"
	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
)

var (
	cookieNames   = config.Location{In: config.InCookie, Names: []string{"key", "api_key"}}
	cookieOptions = Options{Pairs: cookies(cookieNames)}
	paramOptions  = Options{Pairs: headerParams(config.Location{In: config.InHeader, Names: []string{"X-Sentry-Auth"}, Param: "sentry_key"})}
)

// cookieValues are values of one Cookie header with what is found and left.
var cookieValues = []struct{ name, value, want, left string }{
	{"none", "a=1; b=2", "", "="},
	{"alone", "key=K", "key=K", ""},
	{"first", "key=K; a=1", "key=K", "a=1"},
	{"last", "a=1; key=K", "key=K", "a=1"},
	{"between", "a=1; key=K; b=2", "key=K", "a=1; b=2"},
	{"no space", "a=1;key=K;b=2", "key=K", "a=1;b=2"},
	{"odd space", "a=1 ;  key = K  ;   b=2", "key=K", "a=1 ;   b=2"},
	{"other case", "KEY=K", "key=K", ""},
	{"both", "key=K; api_key=K", "key=K, api_key=K", ""},
	{"twice", "key=K; key=K", "key=K", ""},
	{"twice, different", "key=K; a=1; key=L", "key=K, key=L", "a=1"},
	{"quoted", `a="1"; key="K"`, "key=K", `a="1"`},
	{"percent", "key=a%2Fb%3D", "key=a/b=", ""},
	{"plus", "key=a+b", "key=a+b", ""},
	{"equals", "key=a==; b=2", "key=a==", "b=2"},
	{"empty", "key=; a=1", "", "a=1"},
	{"empty, quoted", `key=""`, "", ""},
	{"without a value", "key; a=1", "", "="},
	{"longer names", "akey=1; keyb=2; my_key=3", "", "="},
	{"in another value", "a=key=K; b=c", "", "="},
	{"value with what separates parameters", "a=x&key=1", "", "="},
	{"trailing separator", "a=1; key=K;", "key=K", "a=1;"},
	{"empty pairs", ";;key=K;;", "key=K", ";;;"},
	{"RFC 2109", `$Version="1"; key="K"; $Path="/"`, "key=K", `$Version="1"; $Path="/"`},
	{"other kinds of values", "a=b c; d=[1,2]; e={\"f\":\"g\"}; h=\xff", "", "="},

	// What only some readers find.
	{"bad escape", "key=%zz", "key!", ""},
	{"quoted separator", `key="a;b"; c=d`, "key!", "c=d"},
	{"quoted quote", `key="a\"b"; c=d`, "key!", "c=d"},
	{"quoted escape", `key="a\054b"`, "key!", ""},
	{"not closed", `key="a; c=d`, "key!", "c=d"},
	{"closed only", `key=a"; c=d`, "key!", "c=d"},
	{"more behind quotes", `key="a"b; c=d`, "key!", "c=d"},
	{"inside quotes", `a="b; key=K"; c=d`, "key!", `a="b; c=d`},
	{"space in the value", "key=a b", "key!", ""},
	{"comma", "a=b, key=K; c=d", "key!", "c=d"},
	{"space", "a=b key=K; c=d", "key!", "c=d"},
	{"space, and around =", "a=b key = K; c=d", "key!", "c=d"},
	{"tab", "a=b\tkey=K", "key!", ""},
	{"array", "key[]=K; a=1", "key!", "a=1"},
	{"space around =, escapes", "%6bey\t= +%6b; a=1", "key=+k", "a=1"},
	{"behind =", "key=K; =key=L; a=1", "key=K, key!", "a=1"},
	{"behind more", "a=1; = = key=K", "key!", "a=1"},
	{"without a name", "=K; =a=1", "", "="},
	{"dot", "api.key=K", "key!", ""},
	{"encoded name", "%6bey=K", "key=K", ""},
	{"NUL in the name", "key%00=K", "key!", ""},
	{"damaged name", "k%65%y=K; key%=1; ke%y=1; k%zz=1", "key!", "k%zz=1"},
}

func TestCookies(t *testing.T) {
	for _, c := range cookieValues {
		t.Run(c.name, func(t *testing.T) {
			checkPairs(t, "Cookie", cookieOptions, Locations{Pairs: cookieOptions.Pairs}, "cookie ", c.value, c.want, c.left)
		})
	}
}

// TestCookieHeaders: several of them, and the crumbs of HTTP/2 that net/http joins.
func TestCookieHeaders(t *testing.T) {
	testHeaders(t, cookieOptions, http.Header{"Cookie": {"a=1; key=K", "key=K", "b=2"}}, "cookie key=K", http.Header{"Cookie": {"a=1", "b=2"}})
	testHeaders(t, cookieOptions, http.Header{"cookie": {"key=K"}, "Cookie": {"key=L"}}, "cookie key=L, cookie key=K", http.Header{})
	testHeaders(t, Options{Pairs: cookieOptions.Pairs[:1], Remove: Locations{Pairs: cookieOptions.Pairs[1:]}},
		http.Header{"Cookie": {"api_key=%zz; key=K; a=1"}}, "cookie key=K", http.Header{"Cookie": {"a=1"}})
}

// checkPairs checks a value of a header, also where its pairs are only removed.
func checkPairs(t *testing.T, header string, o Options, remove Locations, prefix, value, want, left string) {
	t.Helper()
	h := func(value string) http.Header {
		if value == "" {
			return http.Header{}
		}
		return http.Header{header: {value}}
	}
	if left == "=" {
		left = value
	}
	testHeaders(t, o, h(value), prefixed(prefix, want), h(left))
	testHeaders(t, Options{Remove: remove}, h(value), "", h(left))
}

// sentryValues are values of one X-Sentry-Auth header with what is found and left.
var sentryValues = []struct{ name, value, want, left string }{
	{"as SDKs send it", "Sentry sentry_version=7, sentry_client=raven-python/6.0, sentry_key=K", "sentry_key=K", "Sentry sentry_version=7, sentry_client=raven-python/6.0"},
	{"first", "Sentry sentry_key=K, sentry_version=7", "sentry_key=K", "Sentry sentry_version=7"},
	{"between", "Sentry a=1,sentry_key=K,b=2", "sentry_key=K", "Sentry a=1,b=2"},
	{"quoted", `Sentry a="1", sentry_key="K", b="2, 3"`, "sentry_key=K", `Sentry a="1", b="2, 3"`},
	{"alone", "Sentry sentry_key=K", "sentry_key=K", "Sentry"},
	{"without a scheme", "sentry_key=K", "sentry_key=K", ""},
	{"without a scheme, others", "a=1, sentry_key=K", "sentry_key=K", "a=1"},
	{"space around =", "Sentry sentry_key = K , a=1", "sentry_key=K", "Sentry a=1"},
	{"other case", "sentry SENTRY_KEY=K", "sentry_key=K", "sentry"},
	{"semicolons", "v1; sentry_key=K; a=1", "sentry_key=K", "v1; a=1"},
	{"not percent-decoded", "sentry_key=%4B", "sentry_key=%4B", ""},
	{"twice, different", "Sentry sentry_key=K, sentry_key=L", "sentry_key=K, sentry_key=L", "Sentry"},
	{"none", "Sentry sentry_version=7, sentry_secret=x", "", "="},
	{"only a scheme", "Sentry", "", "="},
	{"empty", "Sentry sentry_key=, a=1", "", "Sentry a=1"},
	{"longer name", "Sentry xsentry_key=1, sentry_keys=2", "", "="},

	{"spaces separate", "Sentry a=1 sentry_key=K, b=2", "sentry_key!", "Sentry b=2"},
	{"another scheme", "A b=c, Sentry sentry_key=K", "sentry_key!", "A b=c"},
	{"space in the value", "Sentry sentry_key=K L, a=1", "sentry_key!", "Sentry a=1"},
	{"quoted separator", `Sentry sentry_key="K,L", a=1`, "sentry_key!", "Sentry a=1"},
	{"inside quotes", `Sentry a="b, sentry_key=K", c=d`, "sentry_key!", `Sentry a="b, c=d`},
	{"not closed", `Sentry sentry_key="K, a=1`, "sentry_key!", "Sentry a=1"},
	{"cut, so that a word is a scheme", "sentry_key=K, Sentry a=1", "sentry_key=K, sentry_key!", "Sentry a=1"},
	{"RFC 8187", "Sentry sentry_key=K, sentry_key*=UTF-8''L, a=1", "sentry_key=K, sentry_key!", "Sentry a=1"},
	{"RFC 2231", "Sentry sentry_key*0=K, a=1", "sentry_key!", "Sentry a=1"},
}

func TestHeaderParams(t *testing.T) {
	for _, c := range sentryValues {
		t.Run(c.name, func(t *testing.T) {
			want := strings.NewReplacer("sentry_key", "header X-Sentry-Auth param sentry_key").Replace(c.want)
			checkPairs(t, "X-Sentry-Auth", paramOptions, Locations{Pairs: paramOptions.Pairs}, "", c.value, want, c.left)
		})
	}
}

// pairsCheck compares what is found and left of a header with what decoders read in it.
type pairsCheck struct {
	decoders *decodertest.Decoders
	finder   *Finder
	header   string
	names    []string
	odd      string // characters in values of whose other pairs decoders differ
}

func newPairsChecks(t testing.TB) (cookie, param *pairsCheck) {
	t.Helper()
	cookie = &pairsCheck{decodertest.Start(t, decoders, "cookie"), newFinder(t, cookieOptions), "Cookie", cookieNames.Names, `"\\`}
	param = &pairsCheck{decodertest.Start(t, decoders, "param"), newFinder(t, paramOptions), "X-Sentry-Auth", []string{"sentry_key"}, `";\\`}
	return cookie, param
}

func (c *pairsCheck) check(t *testing.T, value string) {
	if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' }) {
		return // net/http refuses it
	}
	h, s := http.Header{c.header: {value}}, new(Set)
	c.finder.Headers(h, s)
	left := strings.Join(h[c.header], "")
	// Two keys are a conflict: nothing else is noted then.
	clear := len(s.Found()) < 2 && !slices.ContainsFunc(s.Found(), func(f Found) bool { return f.Malformed })
	odd := strings.Contains(value, " =") || strings.ContainsAny(wellQuoted.ReplaceAllString(value, "=$1"), c.odd)
	before, after := c.decode(t, value), c.decode(t, left)
	for decoder, pairs := range before {
		for _, p := range pairs {
			read := strings.Trim(p.Value, `"`) // readers that leave quotes alone look nothing up
			if !c.ours(p) || strings.Trim(read, " \t") == "" {
				continue
			}
			found := func(f Found) bool {
				return strings.Contains(read, string(f.Key)) || strings.Trim(string(f.Key), " \t") == strings.Trim(unescapedURI(read), " \t")
			}
			if clear && !odd && !slices.ContainsFunc(s.Found(), found) {
				t.Errorf("%q: %s reads %q, found %s", value, decoder, p.Value, list(s.Found()))
			}
		}
	}
	for decoder, pairs := range after {
		if slices.ContainsFunc(pairs, func(p decodertest.Pair) bool { return c.ours(p) && p.Value != "" }) {
			t.Errorf("%q: %s still reads %q in %q", value, decoder, pairs, left)
		}
		if before[decoder] == nil {
			continue
		}
		want, got := trimNames(slices.DeleteFunc(before[decoder], c.ours)), trimNames(slices.DeleteFunc(pairs, c.ours))
		if clear && !odd && pairString(want) != pairString(got) {
			t.Errorf("%q: %s reads %s in %q, want %s", value, decoder, pairString(got), left, pairString(want))
		}
	}
}

// trimNames is for a pair that has become the first: it loses the white space before it. Pairs
// without a name do not count: some readers drop them.
func trimNames(pairs []decodertest.Pair) []decodertest.Pair {
	for i := range pairs {
		pairs[i].Path = slices.Clone(pairs[i].Path)
		pairs[i].Path[0] = strings.TrimLeft(pairs[i].Path[0], " \t")
	}
	return slices.DeleteFunc(pairs, func(p decodertest.Pair) bool { return p.Path[0] == "" })
}

func unescapedURI(s string) string {
	b, _ := appendUnescapedURI(nil, []byte(s))
	return string(b)
}

// ours tells whether a pair is, or may be, a credential. PHP makes '_' of a dot.
func (c *pairsCheck) ours(p decodertest.Pair) bool {
	name := strings.ReplaceAll(unescapedURI(strings.Trim(p.Path[0], " \t")), ".", "_")
	return slices.ContainsFunc(c.names, func(ours string) bool { return strings.EqualFold(name, ours) })
}

func (c *pairsCheck) decode(t *testing.T, value string) map[string][]decodertest.Pair {
	all := c.decoders.Decode(t, value)
	if c.header == "Cookie" {
		r := http.Request{Header: http.Header{"Cookie": {value}}}
		for _, cookie := range r.Cookies() {
			all["net/http"] = append(all["net/http"], decodertest.Pair{Path: []string{cookie.Name}, Value: cookie.Value})
		}
	}
	if spaceInName.MatchString(value) {
		delete(all, "parse_str") // which makes '_' of it
	}
	maps.DeleteFunc(all, func(_ string, pairs []decodertest.Pair) bool { return len(pairs) == 0 && value != "" })
	return all
}

// wellQuoted are quotes that all decoders see.
var wellQuoted = regexp.MustCompile(`=[ \t]*"[^",;\\]*"[ \t]*([,;]|$)`)

var spaceInName = regexp.MustCompile(`[^;][ \t]`)

// TestPairDecoders: what any decoder of a backend reads as a credential in a header is found
// or malformed, and nothing but that is cut.
func TestPairDecoders(t *testing.T) {
	cookie, param := newPairsChecks(t)
	for _, c := range cookieValues {
		cookie.check(t, c.value)
	}
	for _, c := range sentryValues {
		param.check(t, c.value)
	}
}

// FuzzPairDecoders is TestPairDecoders for values made of pieces that matter.
func FuzzPairDecoders(f *testing.F) {
	cookie, param := newPairsChecks(f)
	checks := []*pairsCheck{cookie, param}
	r := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		choices := make([]byte, 1+r.IntN(12))
		for i := range choices {
			choices[i] = byte(r.IntN(256))
		}
		f.Add(choices)
	}
	f.Fuzz(func(t *testing.T, choices []byte) {
		for i, c := range checks {
			var value strings.Builder
			for _, choice := range choices[:min(len(choices), 30)] {
				value.WriteString(pairPieces[i][int(choice)%len(pairPieces[i])])
			}
			c.check(t, strings.Trim(value.String(), " \t"))
		}
	})
}

var pairPieces = [][]string{
	{"key", "key", "KEY", "api_key", "api.key", "%6bey", "a", "b", "=", "=", "=", "=K", "=L", "=\"K\"", "; ", ";", ";", ", ", " ", "\t", "\"", "\\", "\\\"", "%3B", "%20", "+", "[]", "$Path", "&", "x=1; "},
	{"sentry_key", "sentry_key", "SENTRY_KEY", "sentry_version", "a", "=", "=", "=K", "=L", "=\"K\"", ", ", ",", ";", " ", "\"", "\\", "Sentry ", "Other ", "%3D", "x=1, "},
}

// TestPairsLinear: no value takes more than linear time. A quadratic one would take minutes.
func TestPairsLinear(t *testing.T) {
	for _, piece := range []string{"=", "a=", " =", "\"=", "key=\"", "a =b ", "key=\"\\", ";", "key[=", "%"} {
		h := http.Header{"Cookie": {"a=" + strings.Repeat(piece, 1<<20/len(piece))}, "X-Sentry-Auth": {"A b" + strings.Repeat(piece, 1<<20/len(piece))}}
		newFinder(t, Options{Pairs: slices.Concat(cookieOptions.Pairs, paramOptions.Pairs)}).Headers(h, new(Set))
	}
}
