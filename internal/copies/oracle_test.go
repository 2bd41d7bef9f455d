package copies

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/decodertest"
)

// shapes are what clients send, with KEY for their key as it is, and with other words for it
// in an encoding.
var shapes = []struct{ kind, text string }{
	{"json", `{"api_key":"KEY","event":"$pageview","properties":{"token":"KEY","distinct_id":"u","$lib":"web","n":1.0}}`}, // PostHog
	{"json", `{"batch":[{"writeKey":"KEY","type":"track","context":{"ip":"1"}},{"type":"page","context":{"KEY":true,"x":[]}}],"sentAt":"2026"}`},
	{"json", `[{"event":"e","properties":{"token":"KEY","time":1}},["KEY",["a KEY b"],{"x":"KEY"}]]`}, // Mixpanel
	{"json", "{\n\t\"a\" : \"KEY\" ,\n\t\"b\" : [ 1 , \"KEY\" , null ]\n}"},
	{"json", `{"dsn":"https:\/\/KEY@o1.ingest.example.com\/2","url":"https://x/?a=1&sentry_key=PERCENT#KEY"}`}, // Sentry
	{"json", `{"log":"{\"Authorization\":\"Bearer KEY\",\"n\":2}","curl":"curl -H 'X-Api-Key: KEY' -d \"x\""}`},
	{"json", `{"basic":"Basic BASIC","payload":"CODED","url":"CODEDURL"}`},
	{"json", `{"mixed":"a ESCAPED b PERCENT c MIXED d","name ESCAPED":{"ESCAPED":1}}`},
	{"json", `"KEY"`},
	{"json", `{"a":"\u00e9KEY\ud83d\ude00\\KEY\\\\n\nKEY\/"}`},
	{"lines", "{\"index\":{\"_id\":\"KEY\"}}\n{\"a\":\"x KEY\",\"b\":[\"KEY\"]}\n\"KEY\"\n[{\"k\":\"ESCAPED\"}]"},
	{"params", "apikey=KEY&a=1&data=%7B%22token%22%3A%22KEY%22%7D&b="},
	{"params", "PERCENT=1&x=KEY&KEY&y=a+KEY+b&z=%e9"},
	{"params", "data=CODED&ip=1&url=https%3A%2F%2Fx%2F%3Fk%3DMIXED"},
	{"params", "data=CODEDPERCENT&verbose=1"},
	{"params", "KEY"},
	{"cookie", `a=1; session=KEY; b="x"; k="KEY"; c=xKEYy; d=PERCENT`},
	{"cookie", "s=CODED; t=1"},
	{"header", "KEY"},
	{"header", "agent/1.0 (KEY; linux) ESCAPED"},
	{"header", "Basic BASIC"},
	{"header", "Bearer CODEDURL"},
	{"path", "/array/KEY/config.js"},
	{"path", "/services/T0/B0/PERCENT"},
	{"path", "/v1/x-KEY.json/MIXED/KEY"},
}

// spelled puts a key into a shape.
func spelled(shape, key string) string {
	coded := `{"properties":{"token":"` + key + `","ref":"a?b>c~d","n":1.50},"list":["` + key + `"]}`
	inJSON := strings.ReplaceAll(key, `"`, `\"`)
	return strings.NewReplacer(
		"CODEDPERCENT", url.QueryEscape(std(coded)), "CODEDURL", base64.RawURLEncoding.EncodeToString([]byte(coded)), "CODED", std(coded),
		"BASIC", std("user:"+key), "ESCAPED", escapeAll(key), "PERCENT", percentAll(key), "MIXED", key[:3]+percentAll(key[3:5])+key[5:], "KEY", inJSON,
	).Replace(shape)
}

// TestOracle: whatever Python reads, it finds no key in what is left, and all else as it was.
func TestOracle(t *testing.T) {
	t.Parallel()
	wrong := decodertest.Cuts(t, "../decodertest")
	for _, key := range []string{keyText, "0123456789abcdef0123456789abcdef", "sk_live_a-b.c~d0Z", "phc_0Abcdefghijklmnopqrstuvwxyz"} {
		for _, s := range shapes {
			before := spelled(s.text, key)
			after, exact := cutKind(keyOf(key), s.kind, before)
			c := decodertest.Cut{Kind: s.kind, Key: key, Before: before, After: after}
			if problems := wrong(t, c); len(problems) > 0 || !exact {
				t.Errorf("%s %s\n now %s (exact: %t): %v", s.kind, before, after, exact, problems)
			}
		}
	}
}

// TestOracleSees: the oracle finds what it must find.
func TestOracleSees(t *testing.T) {
	t.Parallel()
	wrong := decodertest.Cuts(t, "../decodertest")
	for name, text := range encodings(keyText) {
		if name == "%u" {
			continue // of IIS
		}
		c := decodertest.Cut{Kind: "params", Key: keyText, Before: "a=" + text, After: "a=" + text}
		if !strings.Contains(fmt.Sprint(wrong(t, c)), "the key is left") {
			t.Errorf("%s: found nothing in %s", name, text)
		}
	}
	for _, c := range []decodertest.Cut{
		{Kind: "json", Before: `{"a":1,"b":"` + keyText + `"}`, After: `{"a":2}`},
		{Kind: "json", Before: `{"a":1.0,"b":"` + keyText + `"}`, After: `{"a":1}`},
		{Kind: "json", Before: `{"a":1,"b":"x` + keyText + `"}`, After: `{"a":1}`},
		{Kind: "json", Before: `["` + keyText + `",1]`, After: `[1]`},
		{Kind: "json", Before: `{"a":1}`, After: `{"a":1`},
		{Kind: "params", Before: "a=1&b=" + keyText, After: "a="},
		{Kind: "cookie", Before: "a=1; b=" + keyText, After: "a=2"},
		{Kind: "path", Before: "/a/" + keyText, After: "/a"},
		{Kind: "header", Before: "Basic " + std("user:"+keyText), After: "Basic " + std("use:")},
	} {
		c.Key = keyText
		if len(wrong(t, c)) == 0 {
			t.Errorf("%+v: found nothing", c)
		}
	}
}

// cutKind cuts the copies out of a text of a kind.
func cutKind(k *Key, kind, text string) (after string, exact bool) {
	switch kind {
	case "json", "lines":
		return k.JSON(text)
	case "params":
		return k.Params(text)
	case "cookie":
		return k.headerValue("Cookie", text)
	case "path":
		return k.Path(text, "key_1")
	}
	return k.headerValue("X-Any", text)
}
