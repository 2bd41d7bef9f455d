package credential

import (
	"errors"
	"strings"
	"testing"
	"time"
)

var queryNames = []string{"apiKey", "_apikey", "api.token", "filter[key]", "api_secret", "my key"}

// queries are raw queries with what is found and what is left. "" as clean with
// a nil error means that all is cut, "=" that nothing is; "!" is ErrQuery.
var queries = []struct{ name, raw, found, clean string }{
	{"empty", "", "", "="},
	{"absent", "a=1&b=2", "", "="},
	{"only", "apiKey=K", "apiKey=K", ""},
	{"first", "apiKey=K&a=1&b=2", "apiKey=K", "a=1&b=2"},
	{"middle", "a=1&apiKey=K&b=2", "apiKey=K", "a=1&b=2"},
	{"last", "a=1&b=2&apiKey=K", "apiKey=K", "a=1&b=2"},
	{"several", "apiKey=K&a=1&_apikey=L&b=2&apiKey=K", "apiKey=K, _apikey=L", "a=1&b=2"},
	{"other bytes stay", "a=%7e&&b=+%20&apiKey=K&=&c=%zz&ü", "apiKey=K", "a=%7e&&b=+%20&=&c=%zz&ü"},
	{"empty parameters", "&&apiKey=K&&", "apiKey=K", "&&&"},
	{"empty parameter first", "&apiKey=K", "apiKey=K", ""},
	{"empty parameter last", "apiKey=K&", "apiKey=K", ""},
	{"no value", "apiKey&a", "", "a"},
	{"empty value", "a&apiKey=", "", "a"},
	{"equals in value", "apiKey=a=b==", "apiKey=a=b==", ""},
	{"encoded value", "apiKey=a%2Bb+c%3d%26", "apiKey=a+b c=&", ""},
	{"encoded name", "%5fapi%4B%65y=K", "_apikey=K", ""},
	{"longer name", "apiKeys=K&xapiKey=K", "", "="},
	{"configured brackets", "filter[key]=K&filter%5Bkey%5D=K", "filter[key]=K", ""},
	{"configured dot", "api.token=K", "api.token=K", ""},
	{"plus in value", "apiKey=a+b", "apiKey=a b", ""},
	{"configured space", "my+key=K&my%20key=K", "my key=K", ""},
	{"control character in value", "apiKey=K%00", "apiKey=K\x00", ""},
	{"value not UTF-8", "apiKey=K%ff", "apiKey!", ""},
	{"value too long", "apiKey=" + strings.Repeat("k", MaxKey+1), "apiKey!", ""},
	{"encoded value too long", "apiKey=%41" + strings.Repeat("k", MaxKey), "apiKey!", ""},
	{"name not UTF-8", "%ff=1&\xff=2", "", "="},
	{"values in between", "q=apiKey&apiKey2=apiKey=", "", "="},

	{"attack `?a=1;apiKey=K`", "a=1;apiKey=K", "apiKey=K", "a=1"},
	{"attack `?a=1;apiKey=K`, first", "apiKey=K;a=1&b", "apiKey=K", "a=1&b"},
	{"attack `?a=1;apiKey=K`, mixed", "a=1;apiKey=K&b=2", "apiKey=K", "a=1&b=2"},
	{"attack `apiKey=%zz`", "a=1&apiKey=%zz", "", "!"},
	{"attack `apiKey=%zz`, cut short", "apiKey=K%4", "", "!"},
	{"attack `apiKey=%zz`, IIS", "apiKey=%u0041", "", "!"},
	{"attack `%61piKey=K`", "%61piKey=K", "apiKey=K", ""},
	{"attack repeats", "apiKey=K&apiKey=L&apiKey=M", "apiKey=K, apiKey=L", ""},
	{"attack other case", "APIKEY=K&ApIkEy=K", "apiKey=K", ""},
	{"attack other case, Kelvin sign", "api%E2%84%AAey=K&api\u212aey=K", "apiKey=K", ""},
	{"attack 10,001 query parameters, key last", strings.Repeat("a&", 10_000) + "apiKey=K", "apiKey=K", strings.Repeat("a&", 9_999) + "a"},
	{"attack 10,001 credentials", strings.Repeat("apiKey=K&", 10_000) + "a", "apiKey=K", "a"},

	{"space in value", "apiKey=a b", "", "!"},
	{"control byte in value", "apiKey=a\x01", "", "!"},
	{"DEL in value", "apiKey=a\x7f", "", "!"},
	{"control byte elsewhere", "a=\x01 \x7f", "", "="},
	{"bad name", "a%zz=1", "", "="},
	{"bad name, mentioned", "%zzapiKey=K", "", "!"},
	{"bad name, mentioned behind", "apiKey%=K", "", "!"},
	{"bad name, mentioned encoded", "%%61piKEY%4=K", "", "!"},
	{"bad name, mentioned as in IIS", "%u0061piKey=K", "", "!"},
	{"bad name, mentioned as in IIS, case", "api%U212Aey=K", "", "!"},
	{"bad name, mentioned with a space", "%zzmy+key=K", "", "!"},
	{"bad name, not as in IIS", "%z0061piKey=K", "", "="},
	{"bad name, mentioned in value only", "%zz=apiKey", "", "="},

	{"leading space", "+apiKey=K", "", "!"},
	{"leading raw space", " apiKey=K", "", "!"},
	{"leading spaces and a tab", "+%20%09apiKey=K", "", "!"},
	{"trailing space", "apiKey+=K", "", "="},
	{"NUL", "apiKey%00x=K", "", "!"},
	{"raw NUL", "apiKey\x00=K", "", "!"},
	{"NUL before", "%00apiKey=K", "", "="},
	{"array", "apiKey[]=K", "", "!"},
	{"array, encoded", "apiKey%5B0%5D=K", "", "!"},
	{"array, key", "APIKEY[a][b]=K", "", "!"},
	{"array, not closed", "apiKey[=K", "", "!"},
	{"array, as a whole (qs, Rack)", "[apiKey]=K", "", "!"},
	{"array, only closed (Rack)", "apiKey]=K", "", "!"},
	{"array, configured dot", "api.token[]=K", "", "!"},
	{"array, inside", "a[apiKey]=K", "", "="},
	{"bracket for underscore (PHP)", "api[secret=K", "", "!"},
	{"bracket and dot for underscore (PHP)", "api.secret[]=K", "", "!"},
	{"bracket for underscore, closed", "api[secret]=K", "", "="},
	{"space for underscore (PHP)", "api+secret=K", "", "!"},
	{"dot for underscore (PHP)", ".apikey=K", "", "!"},
	{"dot for underscore (PHP), array", ".apikey[]=K", "", "!"},
	{"dot for underscore, other name", ".apikeys=K", "", "="},
	{"underscore of a dot (PHP)", "api_token=K", "", "!"},
	{"underscore of a space (PHP)", "my_key=K", "", "!"},
	{"underscore of a space (PHP), array", "my_key[]=K", "", "!"},
	{"array in a configured array", "filter[key][]=K", "", "!"},
	{"configured array, what follows is ignored (PHP)", "filter[key]x=K", "", "!"},
	{"configured array, what follows is ignored, `;` (PHP)", "filter[key];x=K", "", "!"},
	{"name that ends at a `;`", "a=1&apiKey;a=1", "", "!"},
	{"name that ends at a `;`, last", "a=1;apiKey", "", "a=1"},
	{"configured array, as a whole (qs)", "[filter][key]=K", "", "!"},
	{"configured array, other element", "filter[keys]=K&filter[]=L", "", "="},

	{"attack leading `?`", "?apiKey=K", "", "!"},
	{"attack leading `?`, several (PHP's own server)", "???apiKey=K", "", "!"},
	{"attack leading `?`, other case, array", "?APIKEY[]=K", "", "!"},
	{"attack leading `?`, not first", "a=1&?apiKey=K", "", "!"},
	{"attack leading `?`, first when the key is cut", "apiKey=K&?apiKey=L", "", "!"},
	{"attack leading `?` of another parameter, first when the key is cut", "apiKey=K&?a=1", "", "!"},
	{"leading `?` of another parameter", "?a=1&apiKey=K", "apiKey=K", "?a=1"},
	{"leading `?` of another parameter, later", "a=1&apiKey=K&?b=1", "apiKey=K", "a=1&?b=1"},
	{"`?` only", "?", "", "="},
	{"`?` in a name and a value", "a?apiKey=K&apiKey=a?b", "apiKey=a?b", "a?apiKey=K"},
	{"leading `#` (query-string)", "#apiKey=K", "", "!"},
	{"name that ends at a `#` (URL)", "apiKey#a=K", "", "!"},
	{"byte-order mark (iconv-lite, TextDecoder)", bom + "apiKey=K", "", "!"},
	{"byte-order mark, encoded", "%EF%BB%BFapiKey=K", "", "!"},
	{"byte-order mark, first when the key is cut", "apiKey=K&" + bom + "a=1", "", "!"},
	{"bad escape rid of its `%` (ASP)", "a%piKey=K", "", "!"},
	{"bad escape rid of its `%` (ASP), several", "%api%Key[%]=K", "", "!"},
	{"bad escape decoded all the same (CGI)", "ap%6IKey=K&ap%zzKey=K", "", "!"},
	{"bad escape for more than a character", "a%zzKey=K", "", "="},
	{"overlong UTF-8", "%C1%A1piKey=K", "", "!"},
	{"overlong UTF-8, three bytes, array", "api%E0%81%8Bey[]=K", "", "!"},
	{"overlong UTF-8, raw", "\xc1\xa1piKey=K", "", "!"},
	{"bytes that are not UTF-8, dropped", "%FFapi%FFKey%FF=K", "", "!"},
	{"bytes that are not UTF-8, too few", "%C1%A1Key=K", "", "="},
	{"bytes that are not UTF-8, other name", "%C1%A1piKeys=K", "", "="},
	{"similar letter (IIS)", "%uff41piKey=K", "", "!"},
	{"similar letter (IIS), array", "%uff41piKey%5B%5D=K", "", "!"},
}

func TestQuery(t *testing.T) {
	f, keep := newFinder(t, Options{Query: queryNames}), newFinder(t, Options{Query: queryNames, Keep: true})
	for _, c := range queries {
		t.Run(c.name, func(t *testing.T) {
			clean, wantErr := c.clean, error(nil)
			switch c.clean {
			case "=":
				clean = c.raw
			case "!":
				clean, wantErr = c.raw, ErrQuery
			}
			var s Set
			got, err := f.Query(c.raw, &s)
			if got != clean || !errors.Is(err, wantErr) {
				t.Errorf("got %.100q, %v; want %.100q, %v", got, err, clean, wantErr)
			}
			if found := list(s.Found()); err == nil && found != prefixed("query ", c.found) {
				t.Errorf("found %s", found)
			}
			found := list(s.Found())
			s.Reset()
			if got, err := keep.Query(c.raw, &s); got != c.raw || !errors.Is(err, wantErr) || list(s.Found()) != found {
				t.Errorf("keep: got %.100q, %v, found %s", got, err, list(s.Found()))
			}
		})
	}
}

func TestForm(t *testing.T) {
	f, keep := newFinder(t, Options{Form: queryNames}), newFinder(t, Options{Form: queryNames, Keep: true})
	for _, c := range queries {
		t.Run(c.name, func(t *testing.T) {
			clean, wantErr := c.clean, error(nil)
			switch c.clean {
			case "=":
				clean = c.raw
			case "!":
				clean, wantErr = c.raw, ErrForm
			}
			var s Set
			body := []byte(c.raw)
			if got, err := keep.Form(body, &s); string(got) != c.raw || string(body) != c.raw || !errors.Is(err, wantErr) {
				t.Errorf("keep: got %.100q, %v", got, err)
			}
			found := list(s.Found())
			s.Reset()
			got, err := f.Form(body, &s)
			if string(got) != clean || !errors.Is(err, wantErr) || list(s.Found()) != found {
				t.Errorf("got %.100q, %v, found %s; want %.100q, %v", got, err, list(s.Found()), clean, wantErr)
			}
			if err == nil && found != prefixed("form ", c.found) {
				t.Errorf("found %s", found)
			}
			if tail := strings.Trim(string(body[len(got):]), "\x00"); tail != "" {
				t.Errorf("behind the form: %q", tail)
			}
		})
	}
}

// TestQueryAndFormApart: names of the form are not those of the query.
func TestQueryAndFormApart(t *testing.T) {
	f := newFinder(t, Options{Query: []string{"q"}, Form: []string{"f"}})
	var s Set
	if got, err := f.Query("q=1&f=2", &s); got != "f=2" || err != nil {
		t.Error(got, err)
	}
	if got, err := f.Form([]byte("q=1&f=2"), &s); string(got) != "q=1" || err != nil {
		t.Error(string(got), err)
	}
	if got := list(s.Found()); got != "query q=1, form f=2" {
		t.Error(got)
	}
}

// TestQueryWipesScratch: the copy that is worked on too.
func TestQueryWipesScratch(t *testing.T) {
	for _, raw := range []string{"a&apiKey=K", "apiKey=K%zz", "a=1"} {
		var s Set
		_, _ = newFinder(t, Options{Query: queryNames}).Query(raw, &s)
		if left := strings.Trim(string(s.query[:cap(s.query)]), "\x00"); left != "" {
			t.Errorf("left behind: %q", left)
		}
	}
}

// prefixed adds the kind of location to each of a list.
func prefixed(kind, found string) string {
	if found == "" {
		return ""
	}
	return kind + strings.ReplaceAll(found, ", ", ", "+kind)
}

// TestQueryLinear: 12,800 of what is slow to look at take as long in one query
// as in 64.
func TestQueryLinear(t *testing.T) {
	f := newFinder(t, Options{Query: queryNames})
	for name, unit := range map[string]string{
		"separators": "&", "names": "a=1&", "odd names": "%61.b[]=1&", "bad names": "%zz&", "one bad name": "%z",
		"credentials": "apiKey=K;", "encoded credentials": "%61piKey=%4b&",
	} {
		t.Run(name, func(t *testing.T) {
			var s Set
			measure := func(repeat, units int) time.Duration {
				raw := strings.Repeat(unit, units)
				start := time.Now()
				for range repeat {
					s.Reset()
					if _, err := f.Query(raw, &s); err != nil {
						t.Fatal(err)
					}
				}
				return time.Since(start)
			}
			short, long := time.Hour, time.Hour
			for try := range 20 { // a busy machine takes longer for either
				if try >= 3 && long <= 8*short {
					break
				}
				short, long = min(short, measure(64, 200)), min(long, measure(1, 12_800))
			}
			if long > 8*short {
				t.Errorf("%v in one query, %v in 64", long, short)
			}
		})
	}
}
