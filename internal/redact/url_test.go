package redact

import (
	"strings"
	"testing"
)

func TestQuery(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", "a=1&b=%20+c;d", "a=1&b=%20+c;d"},
		{"empty", "", ""},
		{"one", "apiKey=K", "apiKey=REDACTED"},
		{"empty value", "apiKey=&a=1", "apiKey=&a=1"},
		{"no value", "apiKey&a=1", "apiKey&a=1"},
		{"middle", "a=1&apiKey=K&b=2", "a=1&apiKey=REDACTED&b=2"},
		{"several", "token=K&apiKey=K;token=K", "token=REDACTED&apiKey=REDACTED;token=REDACTED"},
		{"case", "ApIkEY=K", "ApIkEY=REDACTED"},
		{"foreign case", "api\u212aey=K", "api\u212aey=REDACTED"},
		{"encoded", "%61%70iKey=K", "%61%70iKey=REDACTED"},
		{"encoded twice", "%2561piKey=K", "%2561piKey=REDACTED"},
		{"encoded three times", "%252561piKey=K", "%252561piKey=REDACTED"},
		{"encoded too often", "a=1&%25252561pi=K", "REDACTED"},
		{"IIS", "%u0061piKey=K", "%u0061piKey=REDACTED"},
		{"IIS, similar letter", "b=1&%uff41piKey=K", "REDACTED"},
		{"overlong", "b=1&%C1%A1piKey=K", "REDACTED"},
		{"overlong, encoded twice", "b=1&%25C1%25A1piKey=K", "REDACTED"},
		{"not UTF-8 in a value", "b=%ff&c=%C1%A1", "b=%ff&c=%C1%A1"},
		{"other letters in a name", "caf%C3%A9=1", "caf%C3%A9=1"},
		{"JSON", `\u0061piKey=K&b=1`, `\u0061piKey=REDACTED&b=1`},
		{"separators escaped in JSON", `a=1\u0026apiKey=K\u0026b=2`, "a=REDACTED"},
		{"punctuation", "api.key=K&api-key=K&api+key=K&api%20key=K", "api.key=REDACTED&api-key=REDACTED&api+key=REDACTED&api%20key=REDACTED"},
		{"around", "+%09apiKey%00%20=K", "+%09apiKey%00%20=REDACTED"},
		{"PHP", "apiKey[]=K&apiKey%5Bx%5D=K&a[token]=K", "apiKey[]=REDACTED&apiKey%5Bx%5D=REDACTED&a[token]=REDACTED"},
		{"far bracket", "apiKey[" + strings.Repeat("x", 5000) + "]=K", "apiKey[" + strings.Repeat("x", 5000) + "]=REDACTED"},
		{"NUL", "apiKey%00x=K", "apiKey%00x=REDACTED"},
		{"far NUL", "apiKey%00" + strings.Repeat("x", 5000) + "=K", "apiKey%00" + strings.Repeat("x", 5000) + "=REDACTED"},
		{"escaped as Go does", `\x61piKey=K`, `\x61piKey=REDACTED`},
		{"encoded sign", "a=1&apiKey%3DK", "a=1&REDACTED"},
		{"colon", "apiKey:K", "REDACTED"},
		{"semicolon in the value", "apiKey=K;K;K==&a=1", "apiKey=REDACTED&a=1"},
		{"semicolon before a name", "apiKey=K;K;a=1;b&c", "apiKey=REDACTED;a=1;b&c"},
		{"question mark", "a?apiKey=K", "a?apiKey=REDACTED"},
		{"URL in a value", "u=/x?a=1%26apiKey=K", "u=REDACTED"},
		{"encoded URL in a value", "u=%2Fx%3FapiKey%3DK&b=1", "u=REDACTED&b=1"},
		{"key before the sign", "apiKey%3DK=1", "REDACTED"},
		{"bad escape", "b=%zz", "b=%zz"},
		{"bad escape in the name", "b=1&api%zzKey=K", "REDACTED"},
		{"bad escape in front of the name", "b=1&%apiKey=K", "REDACTED"},
		{"bad escape in the value", "b=1&apiKey=%zz", "REDACTED"},
		{"bad escape after encoding", "b=1&%61piKey=K%", "REDACTED"},
		{"percent sign in the value", "apiKey=K%25", "apiKey=REDACTED"},
		{"own key", "x=iak_live_0123456789abcdefghijABCDEFGHIJ01234567&b=1", "x=REDACTED&b=1"},
		{"own key in a value", "apiKey=K.iak_live_0123456789abcdefghijABCDEFGHIJ01234567.K", "apiKey=REDACTED"},
		{"own key, encoded", "x=%69ak_live_0123456789abcdefghijABCDEFGHIJ01234567", "x=REDACTED"},
		{"scheme", "x=Bearer%20K&y=bearer+K", "x=REDACTED&y=REDACTED"},
		{"quotes", `apiKey=K"K'K<K>K` + "`K&b=1", "apiKey=REDACTED&b=1"},
		{"spaces", "apiKey=K K K", "apiKey=REDACTED"},
		{"words of names", "my_token=1&api_public_key=2&apikeys=3&key=4&X-Amz-Signature=5", "my_token=REDACTED&api_public_key=REDACTED&apikeys=REDACTED&key=4&X-Amz-Signature=REDACTED"},
		{"other names", "author=1&api_key_id=2&keyapi=3&design=4&passes=5&idempotency-key=6", "author=1&api_key_id=2&keyapi=3&design=4&passes=5&idempotency-key=6"},
		{"done", "apiKey=REDACTED&a=1", "apiKey=REDACTED&a=1"},
		{"pretends to be done", "apiKey=REDACTED;K", "apiKey=REDACTED"},
	}
	n := NewNames()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := n.Query(tt.in); got != tt.want {
				t.Errorf("Query(%.80q)\n got %.80q\nwant %.80q", tt.in, got, tt.want)
			}
			if got, want := n.URL("/p?"+tt.in), "/p?"+tt.want; got != want {
				t.Errorf("URL: got %.80q, want %.80q", got, want)
			}
		})
	}
}

func TestURL(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"path", "/v1/token/x:y", "/v1/token/x:y"},
		{"origin", "https://host:8080/x?a=1#b", "https://host:8080/x?a=1#b"},
		{"user", "https://user@host/x", "https://REDACTED@host/x"},
		{"user and password", "https://u:p%40w@host/x", "https://REDACTED@host/x"},
		{"no scheme", "//u:p@host/x", "//REDACTED@host/x"},
		{"at sign elsewhere", "https://host/x@y?z=a@b", "https://host/x@y?z=a@b"},
		{"fragment", "/x#access_token=K/K", "/x#access_token=REDACTED"},
		{"fragment after a sign", "/x=1#%61ccess_token=K", "/x=1#%61ccess_token=REDACTED"},
		{"all encoded", "/x/y%3BapiKey%3DK", "/x/REDACTED"},
		{"all escaped", `/x/y\u003BapiKey\u003DK`, "/x/REDACTED"},
		{"scheme", "/x/bearer+K", "/x/REDACTED"},
		{"at second sight", "Bearer token=}", "Bearer REDACTED"},
		{"fragment before the query", "/x#?apiKey=K#K", "/x#?apiKey=REDACTED"},
		{"two question marks", "/x?a=1?apiKey=K?K", "/x?a=REDACTED"},
		{"path parameter", "/x;apiKey=K/K?b=1", "/x;apiKey=REDACTED?b=1"},
		{"encoded path parameter", "/x;%61piKey=K", "/x;%61piKey=REDACTED"},
		{"undecidable path", "/x/%zz;apiKey%zz=K?b=1", "/x/%zz;REDACTED?b=1"},
		{"encoded question mark", "/x%3FapiKey=K", "/x%3FapiKey=REDACTED"},
		{"user in a value", "/x?u=https%3A%2F%2Fu%3Ap%40host", "/x?u=REDACTED"},
		{"key in the path", "/x/iak_live_0123456789abcdefghijABCDEFGHIJ01234567/y", "/x/REDACTED/y"},
	}
	n := NewNames()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := n.URL(tt.in); got != tt.want {
				t.Errorf("URL(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestURLWithNoiseInNames(t *testing.T) {
	n := NewNames()
	for _, uri := range []string{"/x?(apiKey)=K", "/x?apiKey!=K", "/x?apiKey%ff=K", "/x?apiKey\u00ad=K", `/x?ap\iKey=K`, "/x?apiKey%E2%80%8B=K", "/x?a=1&apiKey*=K"} {
		uri = strings.Replace(uri, "=K", "="+canary, 1)
		if got := n.URL(uri); strings.Contains(got, canary) {
			t.Errorf("URL(%q) = %q", uri, got)
		}
	}
}
