package credential

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

var bodyNames = []string{"token", "apiKey", "ſchlüssel"}

const bom = "\xef\xbb\xbf"

// bodies are JSON bodies with what is found and what is left. "=" as clean means
// that nothing is cut, "!" that the JSON is malformed, "!!" that a name is
// there twice.
var bodies = []struct{ name, body, found, clean string }{
	{"absent", `{"a":1,"b":{"token":"K"}}`, "", "="},
	{"only", `{"token":"K"}`, "token=K", `{}`},
	{"first", `{"token":"K","a":1,"b":2}`, "token=K", `{"a":1,"b":2}`},
	{"middle", `{"a":1,"token":"K","b":2}`, "token=K", `{"a":1,"b":2}`},
	{"last", `{"a":1,"b":2,"token":"K"}`, "token=K", `{"a":1,"b":2}`},
	{"two only", `{"token":"K","apiKey":"L"}`, "token=K, apiKey=L", `{}`},
	{"two first", `{"token":"K","apiKey":"L","a":1,"b":2}`, "token=K, apiKey=L", `{"a":1,"b":2}`},
	{"two last", `{"a":1,"token":"K","apiKey":"L"}`, "token=K, apiKey=L", `{"a":1}`},
	{"two apart", `{"token":"K","a":1,"apiKey":"L","b":2}`, "token=K, apiKey=L", `{"a":1,"b":2}`},
	{"first and last", `{"token":"K","a":1,"apiKey":"L"}`, "token=K, apiKey=L", `{"a":1}`},
	{"white space stays", "\n{ \"a\" : 1 \t,\r\n  \"token\" : \"K\" ,\n \"b\" : [ 1, 2 ] } ", "token=K", "\n{ \"a\" : 1 \t\r\n   ,\n \"b\" : [ 1, 2 ] } "},
	{"white space stays, first", `{ "token" : "K" , "a" : 1 }`, "token=K", `{   "a" : 1 }`},
	{"white space stays, only", "{\n\t\"token\": \"K\"\n}", "token=K", "{\n\t\n}"},
	{"numbers and escapes stay", `{"n":1.0E+02,"token":"K","s":"\u0041\/"}`, "token=K", `{"n":1.0E+02,"s":"\u0041\/"}`},
	{"null", `{"a":1,"token":null}`, "", `{"a":1}`},
	{"empty", `{"token":"","a":1}`, "", `{"a":1}`},
	{"number", `{"token":17}`, "token!", `{}`},
	{"true", `{"token":true}`, "token!", `{}`},
	{"object", `{"token":{"a":[{}]},"b":1}`, "token!", `{"b":1}`},
	{"array", `{"a":1,"token":["K"]}`, "token!", `{"a":1}`},
	{"escaped value", `{"token":"a\u0062\"\\\/\u00e9\ud83d\udd11"}`, `token=ab"\/é🔑`, `{}`},
	{"control character", `{"token":"a\n"}`, "token=a\n", `{}`},
	{"all escapes", `{"token":"\b\f\n\r\t"}`, "token=\b\f\n\r\t", `{}`},
	{"NUL", `{"token":"a\u0000"}`, "token=a\x00", `{}`},
	{"too long", `{"token":"` + strings.Repeat("k", MaxKey+1) + `"}`, "token!", `{}`},
	{"escaped and too long", `{"token":"\u0041` + strings.Repeat("k", MaxKey) + `"}`, "token!", `{}`},
	{"escaped and longest", `{"token":"\u0041` + strings.Repeat("k", MaxKey-1) + `"}`, "token=A" + strings.Repeat("k", MaxKey-1), `{}`},
	{"near names", `{"tokens":"K","toke":"K","":"K","to ken":"K","tokem":"K"," token":"K"}`, "", "="},
	{"other case", `{"TOKEN":"K","APIkey":"L"}`, "token=K, apiKey=L", `{}`},
	{"Kelvin sign", "{\"to\u212aen\":\"K\"}", "token=K", `{}`},
	{"Kelvin sign, escaped", `{"to\u212aen":"K"}`, "token=K", `{}`},
	{"long s in configuration", `{"Schlüssel":"K"}`, "ſchlüssel=K", `{}`},
	{"long s everywhere", `{"ſchlüſſel":"K","schlussel":"L"}`, "ſchlüssel=K", `{"schlussel":"L"}`},
	{"other members twice", `{"a":1,"a":2,"A":3}`, "", "="},
	{"twice, but null", `{"token":null,"token":"K"}`, "", "!!"},

	{"rows", `[{"token":"K","a":1},{"a":2,"token":"K"},{"token":"K"}]`, "token=K", `[{"a":1},{"a":2},{}]`},
	{"rows that differ", `[{"token":"K"},{"token":"L"},{"token":"M"}]`, "token=K, token=L", `[{},{},{}]`},
	{"rows of all kinds", `[1,"token",null,[{"token":"K"}],{},{"token":"K"},true]`, "token=K", `[1,"token",null,[{"token":"K"}],{},{},true]`},
	{"rows with white space", " [ { \"token\" : \"K\" } ,\n{} ] ", "token=K", " [ {  } ,\n{} ] "},
	{"no rows", `[]`, "", "="},
	{"no rows, white space", ` [ ] `, "", "="},
	{"no members, white space", ` { } `, "", "="},
	{"scalar", `"token"`, "", "="},
	{"scalar with white space", " -1.5e3\n", "", "="},
	{"nothing", ``, "", "="},
	{"white space only", " \r\n\t", "", "="},

	{"attack JSON `token` twice", `{"token":"K","token":"K"}`, "", "!!"},
	{"attack JSON `token` and `Token`", `{"token":"K","a":1,"Token":"L"}`, "", "!!"},
	{"attack JSON `token` twice in a later row", `[{"token":"K"},{"token":"K","TOKEN":"L"}]`, "", "!!"},
	{"attack escaped name `\"tok\\u0065n\"`", `{"tok\u0065n":"K"}`, "token=K", `{}`},
	{"attack escaped name, twice", `{"tok\u0065n":"K","token":"K"}`, "", "!!"},
	{"attack nested", `{"a":{"token":"K"},"b":[{"token":"K"}],"token":"L"}`, "token=L", `{"a":{"token":"K"},"b":[{"token":"K"}]}`},
	{"attack data after the document", `{"a":1}{"token":"K"}`, "", "!"},
	{"attack data after the document, next line", "{\"a\":1}\n{\"token\":\"K\"}", "", "!"},
	{"attack byte-order mark", bom + `{"token":"K","a":1}`, "token=K", bom + `{"a":1}`},
	{"attack byte-order mark only", bom, "", "="},
	{"attack byte-order mark twice", bom + bom + `{}`, "", "!"},
	{"attack byte-order mark inside", `{` + bom + `"a":1}`, "", "!"},
	{"attack lone surrogates in a value", `{"a":"\ud800","b":["\udc00\ud800"]}`, "", "="},
	{"attack lone surrogates in a name", `{"a\ud800":1}`, "", "!"},
	{"attack lone surrogates in a nested name", `{"b":{"token\udfff":1}}`, "", "="},
	{"attack lone surrogates in a credential", `{"token":"K\udfff"}`, "", "!"},
	{"attack lone surrogates, swapped", `{"token":"\udd11\ud83d"}`, "", "!"},
	{"attack lone surrogates, then a character", `{"token":"\ud83dK"}`, "", "!"},
	{"attack lone surrogates, then an escape", `{"token":"\ud83d\ndd11"}`, "", "!"},
	{"attack lone surrogates, then what looks like one", `{"token":"\ud83dxxdd11"}`, "", "!"},
	{"attack lone surrogates, then half an escape", `{"token":"\ud83d\\udd11"}`, "", "!"},
	{"attack invalid UTF-8", "{\"a\":\"\xff\"}", "", "!"},
	{"attack invalid UTF-8 in a name", "{\"token\xc0\x80\":1}", "", "!"},
	{"attack invalid UTF-8, surrogate", "[\"\xed\xa0\x80\"]", "", "!"},
	{"attack invalid UTF-8, cut short", "[\"12345678\xe2\x84\"]", "", "!"},
	{"attack 100,000 levels deep", strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000), "", "!"},
	{"attack 100,000 levels deep, objects", strings.Repeat(`{"token":`, 100_000) + `""` + strings.Repeat("}", 100_000), "", "!"},
	{"NUL in a name", `{"token\u0000":"K"}`, "", "!"},
	{"NUL in a nested name", `{"a":{"token\u0000":"K"}}`, "", "="},
}

func TestJSON(t *testing.T) {
	for _, c := range bodies {
		t.Run(c.name, func(t *testing.T) { testJSON(t, c.body, false, c.found, c.clean) })
	}
}

// ndjson are like bodies.
var ndjson = []struct{ name, body, found, clean string }{
	{"one", `{"token":"K","a":1}`, "token=K", `{"a":1}`},
	{"one, line end", "{\"token\":\"K\",\"a\":1}\n", "token=K", "{\"a\":1}\n"},
	{"two", "{\"token\":\"K\",\"a\":1}\n{\"a\":2,\"token\":\"K\"}", "token=K", "{\"a\":1}\n{\"a\":2}"},
	{"CRLF", "{\"token\":\"K\"}\r\n{\"token\":\"L\"}\r\n", "token=K, token=L", "{}\r\n{}\r\n"},
	{"blank lines", "\n\r\n{\"token\":\"K\"}\n \t\n\n", "token=K", "\n\r\n{}\n \t\n\n"},
	{"white space", " { \"token\" : \"K\" } \n\t[]\n", "token=K", " {  } \n\t[]\n"},
	{"no lines", "\n \n", "", "="},
	{"nothing", "", "", "="},
	{"byte-order mark", bom + "{\"token\":\"K\"}\n{}", "token=K", bom + "{}\n{}"},
	{"byte-order mark later", "{}\n" + bom + "{}", "", "!"},
	// A body is no more rows to a backend than to the gate: a line that is an array is rows.
	{"array of rows", `[{"token":"K","a":1},{"token":"K"}]`, "token=K", `[{"a":1},{}]`},
	{"array of rows and a row", "[{\"token\":\"K\"}]\n{\"token\":\"L\"}", "token=K, token=L", "[{}]\n{}"},
	{"array of rows, key twice in one", "[{},{\"token\":\"K\",\"TOKEN\":\"K\"}]\n", "", "!!"},
	{"array of rows over two lines", "[{\"token\":\"K\"},\n{}]", "", "!"},
	{"two arrays in a line", `[{}][{"token":"K"}]`, "", "!"},
	// A sequence (RFC 7464) is what its separators say, whatever its lines look like.
	{"sequence", "\x1e{\"token\":\"K\",\"a\":1}\n\x1e{\"a\":2,\"token\":\"K\"}\n", "token=K", "\x1e{\"a\":1}\n\x1e{\"a\":2}\n"},
	{"sequence with a text over lines", "\x1e{\n\"token\":\"K\"\n}\n\x1e\x1e {}", "token=K", "\x1e{\n\n}\n\x1e\x1e {}"},
	{"sequence with arrays of rows", "\x1e[{\"token\":\"K\"},\n{\"token\":\"L\"}]\n\x1e1", "token=K, token=L", "\x1e[{},\n{}]\n\x1e1"},
	{"sequence without line ends", "\x1e{\"token\":\"K\"}\x1e{}", "token=K", "\x1e{}\x1e{}"},
	{"sequence, two lines of one record", "\x1e{}\n{\"token\":\"K\"}", "", "!"},
	{"sequence that begins late", "{}\n\x1e{\"token\":\"K\"}", "", "!"},
	{"sequence, record cut short", "\x1e{\"token\":\x1e{}", "", "!"},
	{"sequence of nothing", " \x1e\n\x1e", "", "="},
	{"scalars", "1\n\"token\"\nnull", "", "="},
	{"twice in different lines", "{\"token\":\"K\"}\n{\"TOKEN\":\"K\"}", "token=K", "{}\n{}"},
	{"twice in a line", "{}\n{\"token\":\"K\",\"Token\":\"K\"}", "", "!!"},
	{"a text over two lines", "{\"a\":\n1}", "", "!"},
	{"a text over two lines, before the end", "{\"a\":1\n}", "", "!"},
	{"a string over two lines", "{\"a\":\"\n\"}", "", "!"},
	{"two texts in a line", "{} {}", "", "!"},
	{"two texts in a line, CR", "{}\r{}", "", "!"},
	{"malformed later", "{\"token\":\"K\"}\n{", "", "!"},
	{"malformed earlier", "}\n{\"token\":\"K\"}", "", "!"},
}

func TestNDJSON(t *testing.T) {
	for _, c := range ndjson {
		t.Run(c.name, func(t *testing.T) { testJSON(t, c.body, true, c.found, c.clean) })
	}
}

// testJSON checks errors, what is found and what is left, and that Keep finds
// the same and leaves everything.
func testJSON(t *testing.T, body string, lines bool, found, clean string) {
	t.Helper()
	var want error
	switch clean {
	case "!":
		want = new(SyntaxError)
	case "!!":
		want = ErrDuplicate
	}
	failed := want != nil
	if clean == "=" || failed {
		clean = body
	}
	for _, keep := range []bool{true, false} {
		f := newFinder(t, Options{Body: bodyNames, Keep: keep})
		s, b := new(Set), []byte(body)
		got, err := f.JSON(b, lines, s)
		if kind(err) != kind(want) {
			t.Errorf("keep %t: got error %v, want %s", keep, err, kind(want))
		}
		if all := list(s.Found()); !failed && all != prefixed("body ", found) {
			t.Errorf("keep %t: found %.200s", keep, all)
		}
		left := clean
		if keep {
			left = body
		}
		if string(got) != left || !strings.HasPrefix(string(b), left) {
			t.Errorf("keep %t: left %.200q, want %.200q", keep, got, left)
		}
		if tail := strings.Trim(string(b[len(got):]), "\x00"); tail != "" {
			t.Errorf("keep %t: behind the body: %.200q", keep, tail)
		}
	}
}

// kind names the type of an error of JSON.
func kind(err error) string {
	var syntax *SyntaxError
	switch {
	case err == nil:
		return "none"
	case errors.As(err, &syntax):
		return "syntax"
	}
	return err.Error()
}

func TestSyntaxErrors(t *testing.T) {
	const canary = "iak_live_canary"
	for _, c := range []struct {
		body   string
		offset int
		what   string
	}{
		{`{"a":1`, 6, "unexpected end"},
		{`{"a":`, 5, "unexpected end"},
		{`{"a"`, 4, "unexpected end"},
		{`{"a`, 3, "unexpected end"},
		{`{"a\`, 4, "unexpected end"},
		{`{`, 1, "unexpected end"},
		{`[1,`, 3, "unexpected end"},
		{`[[`, 2, "unexpected end"},
		{`[{"a":{`, 7, "unexpected end"},
		{`-`, 1, "unexpected end"},
		{`1.`, 2, "unexpected end"},
		{`1e+`, 3, "unexpected end"},
		{`{"token":"` + canary + `",}`, 27, "want a member name"},
		{`{"a":{"b":1,}}`, 12, "want a member name"},
		{`{"` + canary + `" 1}`, 19, "want a colon"},
		{`{"token":"` + canary + `"x}`, 26, "want a comma or the end of the object"},
		{`{"a":["` + canary + `"}`, 23, "want a comma or the end of the array or object"},
		{`["` + canary + `"}`, 18, "want a comma or the end of the array"},
		{`{"token":` + canary + `}`, 9, "want a value"},
		{`{"token":.5}`, 9, "want a value"},
		{`1.x`, 2, "want a digit"},
		{`{"token":"` + canary + `"} 1`, 28, "data after the end of the JSON text"},
		{`[trux]`, 1, "invalid literal"},
		{`{"token":"` + canary + `\x"}`, 25, "invalid escape in a string"},
		{`{"token":"` + canary + `\u12"}`, 25, "invalid escape in a string"},
		{`{"token":"` + canary + "\n\"}", 25, "control character in a string"},
		{`{"token":"` + canary + "\xff\"}", 10, "invalid UTF-8 in a string"},
		{`{"token":"` + canary + `\ud800"}`, 9, "lone surrogate in the value of a credential or resource member"},
		{`{"` + canary + `\ud800":1}`, 2, "lone surrogate or NUL in a member name"},
		{`{"` + canary + `\ud800":1]`, 2, "lone surrogate or NUL in a member name"},
		{`[` + strings.Repeat(`[`, 10_000) + strings.Repeat(`]`, 10_001), 10_000, "nested too deep"},
	} {
		_, err := newFinder(t, Options{Body: bodyNames}).JSON([]byte(c.body), false, new(Set))
		want := &SyntaxError{Offset: c.offset, What: c.what}
		var got *SyntaxError
		if !errors.As(err, &got) || *got != *want {
			t.Errorf("%.60s: got %v, want %v", c.body, err, want)
		}
		if strings.Contains(fmt.Sprint(err), canary) {
			t.Errorf("%.60s: quoted in %v", c.body, err)
		}
	}
	if got, want := (&SyntaxError{17, "unexpected end"}).Error(), "malformed JSON at byte 17: unexpected end"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNDJSONOffset: offsets count from the start of the body.
func TestNDJSONOffset(t *testing.T) {
	_, err := newFinder(t, Options{Body: bodyNames}).JSON([]byte("{}\r\n{}\n{]\n{}\n]"), true, new(Set))
	var got *SyntaxError
	if !errors.As(err, &got) || got.Offset != 8 {
		t.Error(err)
	}
}

// TestJSONDepth: as deep as encoding/json goes, wherever the values are.
func TestJSONDepth(t *testing.T) {
	f := newFinder(t, Options{Body: bodyNames, Require: []Requirement{{Fields: []string{"a"}, In: "rows"}}})
	for _, around := range []string{"%s", "[%s]", `{"a":%s}`, `{"token":%s}`, `[{"a":%s}]`, `{"rows":%s}`, `{"rows":[{"a":%s}]}`} {
		outside := strings.Count(around, "[") + strings.Count(around, "{")
		for depth, want := range map[int]string{10_000: "none", 10_001: "syntax"} {
			n := depth - outside
			for _, inside := range []string{
				strings.Repeat("[", n) + strings.Repeat("]", n),
				strings.Repeat(`{"":`, n) + "1" + strings.Repeat("}", n),
				strings.Repeat(`[{"":[`, n/3) + strings.Repeat("[", n%3) + strings.Repeat("]", n%3) + strings.Repeat("]}]", n/3),
			} {
				body := fmt.Sprintf(around, inside)
				if _, err := f.JSON([]byte(body), false, new(Set)); kind(err) != want {
					t.Errorf("%s, %.10s…, depth %d: got %v, want %s", around, inside, depth, err, want)
				}
			}
		}
	}
}
