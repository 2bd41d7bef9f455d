package credential

import (
	"net/http"
	"strings"
	"testing"
)

// schemeValues are values of one Authorization header with what is found and left.
var schemeValues = []struct{ name, value, want, left string }{
	{"key", "Token K", "Token=K", ""},
	{"other case", "tOKEN K", "Token=K", ""},
	{"another one", "Splunk 0-1-2", "Splunk=0-1-2", ""},
	{"spaces", "Token   K", "Token=K", ""},
	{"base64", "Token YWJj+/==", "Token=YWJj+/==", ""},
	{"user and password", "Token user:pass", "Token=user:pass", ""},
	{"Rails", `Token token="K"`, "Token=K", ""},
	{"Rails, nonce", `Token token="K", nonce="n"`, "Token=K", ""},
	{"Rails, semicolon", `Token token=K; nonce="n"`, "Token=K", ""},
	{"Rails, other scheme behind", `Token token="K", nonce="n", Digest a=b`, "Token=K", "Digest a=b"},
	{"other scheme before", "Digest a=b, c=d, Token K", "Token=K", "Digest a=b, c=d"},
	{"two", "Token K, Splunk L", "Token=K, Splunk=L", ""},
	{"two, same", "Token K, Token K", "Token=K", ""},
	{"longer", "Tokens K", "", "="},
	{"as a parameter", "Digest a=b, token=c", "", "="},

	{"no key", "Token", "Token!", ""},
	{"tab", "Token\tK", "Token!", ""},
	{"colon", "Token: K", "Token!", ""},
	{"two words", "Token K L", "Token!", ""},
	{"token not first", `Token nonce="n", token="K"`, "Token!", ""},
	{"two tokens", `Token token="K", token="L"`, "Token=K, Token!", ""},
	{"two tokens, semicolon", `Token token="K"; Token="L"`, "Token!", ""},
	{"not closed", `Token token="K`, "Token!", ""},
	{"comma in quotes", `Token token="K,L"`, "Token!", ""},
	{"backslash", `Token token="K\"L"`, "Token!", ""},
	{"empty", `Token token=""`, "Token!", ""},
	{"other parameter", "Token key=K", "Token!", ""},
	{"not ASCII", "Token é", "Token!", ""},
}

func TestSchemes(t *testing.T) {
	o := Options{Schemes: []string{"Token", "Splunk"}}
	for _, c := range schemeValues {
		t.Run(c.name, func(t *testing.T) {
			checkPairs(t, "Authorization", o, Locations{Schemes: o.Schemes}, "scheme ", c.value, c.want, c.left)
		})
	}
	testHeaders(t, Options{Bearer: true, Schemes: o.Schemes}, http.Header{"Authorization": {"Bearer K, Token L", "Splunk M"}}, "bearer=K, scheme Token=L, scheme Splunk=M", http.Header{})
	testHeaders(t, Options{Bearer: true, Remove: Locations{Schemes: o.Schemes}}, http.Header{"Authorization": {"Bearer K, Token token=\"\\\", b=c, Digest d"}}, "bearer=K", http.Header{"Authorization": {"Digest d"}})
	testHeaders(t, o, http.Header{"Authorization": {"Token " + strings.Repeat("k", MaxKey+1)}}, "scheme Token!", http.Header{})
}
