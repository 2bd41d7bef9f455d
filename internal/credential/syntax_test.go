package credential

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// accepted and rejected follow the cases of the JSONTestSuite.
var accepted = []string{
	`0`, `-0`, `1`, `-1`, `10`, `1.0`, `0.1`, `1e1`, `1E1`, `1e+1`, `1E-1`, `1.5e10`, `-0.0e-0`, `0e1`, `123456789012345678901234567890`,
	`1e400`, `-1e-400`, `true`, `false`, `null`, `""`, `"a"`, `"\""`, `"\\"`, `"\/\b\f\n\r\t"`, `"\u0000"`, `"\uABCD\uabcd"`,
	`"\ud800"`, `"\udc00\ud800"`, `"\ud83d\ude00"`, "\"\x7f\"", `"é€😀"`, "\"\u2028\u2029\"", "\"\ufeff\"", `"1234567"`, `"12345678"`, `"123456789012345678901234567890"`,
	`[]`, `[ ]`, `[[]]`, `[1]`, `[1,2]`, ` [ 1 , 2 ] `, "\t\r\n[\n1\n,\r2\t]\n", `[[],{}]`, `[[[[]]]]`, `[null,true,false,"",0]`,
	`{}`, `{ }`, `{"a":1}`, `{"":0}`, `{"a":{}}`, `{"a":[]}`, `{"a":{"a":{"a":[{}]}}}`, `{"a":1,"a":2}`, ` { "a" : 1 , "b" : 2 } `,
	`{"a\"b\\":1}`, `{"a":"}"}`, `["]"]`, `[{"a":[{"b":[]}]},{"c":{}}]`, `{"a":[{},[],""],"b":{}}`,
	`[0,-0,0.0]`, `[1e1,1]`, `[true,false]`, `"\u00e9\\u"`, `{"\u0061":1}`,
}

var rejected = []string{
	`-`, `+1`, `01`, `-01`, `1.`, `.1`, `1.e1`, `1e`, `1e+`, `1e-`, `1E`, `0x1`, `1a`, `1 2`, `--1`, `-a`, `- 1`, `1.1.1`, `1e1.1`, `1e1e1`,
	`00`, `0.`, `0e`, `1_000`, `Infinity`, `-Infinity`, `NaN`, `１`, `1+1`, `1-`,
	`tru`, `t`, `truE`, `True`, `TRUE`, `fals`, `falsee`, `f`, `nul`, `n`, `nulll`, `nil`, `undefined`, `truefalse`,
	`"`, `"a`, `a"`, `'a'`, `"a`, `"\"`, `"\`, `"\a"`, `"\v"`, `"\0"`, `"\x41"`, `"\'"`, `"\u"`, `"\u1"`, `"\u12"`, `"\u123"`, `"\u123g"`, `"\U0041"`, `"\u 123"`,
	"\"\n\"", "\"\t\"", "\"\x00\"", "\"\x1f\"", "\"1234567\x01\"", "\"12345678\x00\"", "\"12345678901\r\"", "\"a", "\"12345678", "\"\x80\"", "\"\xc0\xaf\"",
	"[\"\\n\xff\",1,2,3,4]", "[\"\\n12345678\xff\",1,2,3,4]", "[\"\\n\x01\",1,2,3,4]", "[\"\\n\\x\",1,2,3,4]",
	"\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"12345678\xff\"", "\"é\xe9\"", `"a"b`, `"a""b"`, "\"\\\n\"", "\"\\é\"", "\"\xff",
	`[`, `]`, `[[]`, `[]]`, `[,]`, `[1,]`, `[,1]`, `[1,,2]`, `[1 2]`, `[1;2]`, `["a"`, `["a",`, `[1}`, `[a]`, `[}`, `[{]}`, `[1],`, `[1]x`, `[1][2]`, `[*]`, `["":1]`, `[\n]`,
	`[[1,]]`, `[[,1]]`, `[[1 2]]`, `[[1}]`, `[[[`, `[[[1,`, `[[1],]`, `[{"a":1},]`, `[{"a":1}`, `[{"a":1,}]`, `[{,}]`, `[[{"a"}]]`,
	`{`, `}`, `{{}}`, `{}}`, `{,}`, `{"a"}`, `{"a":}`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{"a":1,,"b":2}`, `{"a" 1}`, `{"a"::1}`, `{a:1}`, `{'a':1}`, `{1:1}`, `{null:1}`,
	`{"a":1 "b":2}`, `{"a":1;"b":2}`, `{"a":1]`, `{"a":[}`, `{"a":1}}`, `{"a":1}x`, `{"a":1}{}`, `{"a":1}//`, `{"a"/**/:1}`, `{:1}`, `{"a":1,"b"}`, `{"a",1}`, `{"a":1:2}`, `{[]:1}`,
	`{"b":{"a"}}`, `{"b":{"a":}}`, `{"b":{"a":1`, `{"b":{"a":1,}}`, `{"b":{"a" 1}}`, `{"b":{a:1}}`, `{"b":{"a":1]}`, `{"b":{,}}`, `{"b":{1:1}}`, `{"b":{"a":1 "c":2}}`, `{"b":{"a":{`,
	`{"b":{"a`, `{"b":{"a"`, `{"b":{"a":`, `{"b":[`, `{"b":[1,`, `{"b":`, `{"b"`, `{"b`, `[1`, `[1,2`,
	"\xff", "\xe2\x80\xa8[]", "\u00a0[]", "\x0c[]", "[]\x00", "\x00", "[\x00]", "[1\x0b,2]", "\\u0020[]", `/**/[]`, `#`, "\xff\xfe[\x00]\x00", "[]\ufeff",
}

// TestSyntax: the same bodies at every place that another function reads. Lone
// surrogates, legal elsewhere, are not in values of credentials and resources.
func TestSyntax(t *testing.T) {
	f := newFinder(t, Options{Body: []string{"token"}, Resources: []string{"project"}, Require: []Requirement{{Fields: []string{"id"}, In: "rows"}}})
	for _, around := range []string{
		"%", "[%]", "[1,%,1]", `{"x":%}`, `{"x":1,"y":%,"z":[]}`, `{"x":[%]}`, `{"x":[[],%]}`, `{"x":{"y":%}}`, `{"token":%}`, `{"token":[%]}`,
		`{"project":%}`, `{"project":[1,%]}`, `{"rows":%}`, `{"rows":[%]}`, `{"rows":[{"id":%}]}`, `[{"x":%}]`, `[{"a":1},{"x":%,"token":"K"}]`,
	} {
		for want, list := range map[bool][]string{true: accepted, false: rejected} {
			for _, inside := range list {
				body := strings.Replace(around, "%", inside, 1)
				valid := json.Valid([]byte(body)) && utf8.ValidString(body)
				if around == "%" && valid != want {
					t.Fatalf("encoding/json disagrees on %q", body)
				}
				if loneSurrogate(inside) && (around == `{"token":%}` || around == `{"project":%}`) {
					valid = false
				}
				if _, err := f.JSON([]byte(body), false, new(Set)); (err == nil) != valid {
					t.Errorf("%q: %v", body, err)
				}
			}
		}
	}
}
