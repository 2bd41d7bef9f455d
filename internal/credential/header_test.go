package credential

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var headerOptions = Options{Bearer: true, Basic: "any", Headers: []string{"X-API-Key", "key"}}

// aladdin is the example of RFC 7617: Aladdin:open sesame.
const aladdin = "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="

// headers are headers with what is found and what is left.
var headers = []struct {
	name string
	h    http.Header
	want string
	left http.Header
}{
	{"none", http.Header{"Accept": {"a", "b"}}, "", http.Header{"Accept": {"a", "b"}}},
	{"header", http.Header{"X-Api-Key": {"K"}, "Accept": {"a"}}, "header X-API-Key=K", http.Header{"Accept": {"a"}}},
	{"header, not canonical", http.Header{"x-aPI-keY": {"K"}}, "header X-API-Key=K", nil},
	{"header, underscore", http.Header{"X_api_key": {"K"}}, "header X-API-Key=K", nil},
	{"header, dot", http.Header{"X.Api-Key": {"K"}}, "header X-API-Key=K", nil},
	{"header, all aliases", http.Header{"X.Api.Key": {"K"}, "X_api_key": {"K"}, "X-Api-Key": {"K"}}, "header X-API-Key=K", nil},
	{"header, any punctuation", http.Header{"X+Api~Key": {"K"}, "x!api|key": {"K"}}, "header X-API-Key=K", nil},
	{"header, same length", http.Header{"X-Api-Kez": {"K"}, "XxApi-Key": {"K"}}, "", http.Header{"X-Api-Kez": {"K"}, "XxApi-Key": {"K"}}},
	{"header, aliases in order", http.Header{"x-api-key": {"5"}, "X_api_key": {"3"}, "X!Api!Key": {"2"}, "X-Api-Key": {"1"}}, "header X-API-Key=1, header X-API-Key=2", nil},
	{"headers in order", http.Header{"Key": {"K"}, "X-Api-Key": {"K"}, "Authorization": {"Bearer K"}}, "bearer=K, header X-API-Key=K, header key=K", nil},
	{"header, white space", http.Header{"Key": {" \t K\t "}}, "header key=K", nil},
	{"header, inner space", http.Header{"Key": {"K L"}}, "header key=K L", nil},
	{"header, empty", http.Header{"Key": {"", " "}}, "", nil},
	{"header, nil", http.Header{"Key": nil}, "", nil},
	{"header, control character", http.Header{"Key": {"K\x00"}}, "header key=K\x00", nil},
	{"header, not UTF-8", http.Header{"Key": {"K\xff"}}, "header key!", nil},
	{"header, too long", http.Header{"Key": {strings.Repeat("k", MaxKey+1)}}, "header key!", nil},
	{"repeated credential headers", http.Header{"Key": {"K", "L"}}, "header key=K, header key=L", nil},
	{"repeated credential headers, same", http.Header{"Key": {"K", "K"}}, "header key=K", nil},
	{"comma-joined values", http.Header{"Key": {"K , L"}}, "header key=K, header key=L", nil},
	{"comma-joined values, empty", http.Header{"Key": {",, K,"}}, "header key=K", nil},

	{"bearer", http.Header{"Authorization": {"Bearer K-._~+/9=="}}, "bearer=K-._~+/9==", nil},
	{"bearer, case", http.Header{"authorization": {"bEARER K"}}, "bearer=K", nil},
	{"bearer, two spaces", http.Header{"Authorization": {"Bearer  K"}}, "bearer=K", nil},
	{"bearer, tab", http.Header{"Authorization": {"Bearer\tK"}}, "bearer!", nil},
	{"bearer, missing token", http.Header{"Authorization": {"Bearer"}}, "bearer!", nil},
	{"bearer, missing token, space", http.Header{"Authorization": {"Bearer "}}, "bearer!", nil},
	{"bearer, equals only", http.Header{"Authorization": {"Bearer =="}}, "bearer!", nil},
	{"bearer, equals inside", http.Header{"Authorization": {"Bearer a=b"}}, "bearer!", nil},
	{"bearer, wrong character", http.Header{"Authorization": {"Bearer a:b"}}, "bearer!", nil},
	{"bearer, two words", http.Header{"Authorization": {"Bearer a b"}}, "bearer!", nil},
	{"bearer, no space", http.Header{"Authorization": {"Bearer:K"}}, "bearer!", nil},
	{"bearer, equals sign", http.Header{"Authorization": {"Bearer=K"}}, "bearer!", nil},
	{"bearer, too long", http.Header{"Authorization": {"Bearer " + strings.Repeat("k", MaxKey+1)}}, "bearer!", nil},
	{"bearer, prefix", http.Header{"Authorization": {"BearerX K"}}, "", http.Header{"Authorization": {"BearerX K"}}},
	{"bearer, comma-joined", http.Header{"Authorization": {"Bearer a, Bearer b"}}, "bearer=a, bearer=b", nil},
	{"bearer, comma-joined, same", http.Header{"Authorization": {"Bearer a,bearer a"}}, "bearer=a", nil},
	{"bearer, comma in token", http.Header{"Authorization": {"Bearer a,b"}}, "bearer=a, bearer!", nil},
	{"bearer, parameters", http.Header{"Authorization": {`Bearer realm="x", bearer="y"`}}, "bearer!", nil},
	{"bearer, trailing comma", http.Header{"Authorization": {"Bearer a,"}}, "bearer=a", nil},
	{"bearer, several", http.Header{"Authorization": {"Bearer a", "Bearer b"}}, "bearer=a, bearer=b", nil},
	{"empty", http.Header{"Authorization": {""}}, "", nil},

	{"other scheme", http.Header{"Authorization": {"Digest a=b, c=d"}}, "", http.Header{"Authorization": {"Digest a=b, c=d"}}},
	{"other scheme, parameter bearer", http.Header{"Authorization": {"Digest a=b, bearer = c,d"}}, "", http.Header{"Authorization": {"Digest a=b, bearer = c,d"}}},
	{"other scheme before", http.Header{"Authorization": {"Negotiate x", "Bearer a"}}, "bearer=a", http.Header{"Authorization": {"Negotiate x"}}},
	{"other scheme between", http.Header{"Authorization": {"Bearer a", "Negotiate x", "Bearer a"}}, "bearer=a", http.Header{"Authorization": {"Negotiate x"}}},
	{"other scheme joined before", http.Header{"Authorization": {"Digest a=b, c=d, Bearer a"}}, "bearer=a", http.Header{"Authorization": {"Digest a=b, c=d"}}},
	{"other scheme joined after", http.Header{"Authorization": {"Bearer a,Digest c=d , e=f"}}, "bearer=a", http.Header{"Authorization": {"Digest c=d, e=f"}}},
	{"other scheme, parameter basic", http.Header{"Authorization": {"Digest a=b, basic=c"}}, "", http.Header{"Authorization": {"Digest a=b, basic=c"}}},
	{"bearer, comma and quote", http.Header{"Authorization": {`Bearer a, "b c"`}}, "bearer=a, bearer!", nil},
	{"proxy", http.Header{"Proxy-Authorization": {"Bearer a"}}, "", http.Header{"Proxy-Authorization": {"Bearer a"}}},

	{"basic", http.Header{"Authorization": {"Basic " + aladdin}}, "basic=open sesame", nil},
	{"basic, no padding", http.Header{"Authorization": {"basic " + strings.TrimRight(aladdin, "=")}}, "basic=open sesame", nil},
	{"basic, user only", http.Header{"Authorization": {"Basic SzpOOg=="}}, "basic=N:", nil},
	{"basic, no password", http.Header{"Authorization": {"Basic Szo="}}, "basic=K", nil},
	{"basic, neither", http.Header{"Authorization": {"Basic Og=="}}, "", nil},
	{"basic, no colon", http.Header{"Authorization": {"Basic Sw=="}}, "basic!", nil},
	{"basic, not base64", http.Header{"Authorization": {"Basic Sz_6"}}, "basic!", nil},
	{"basic, not base64 after the colon", http.Header{"Authorization": {"Basic SzpOOg_"}}, "basic!", nil},
	{"basic, empty", http.Header{"Authorization": {"Basic"}}, "basic!", nil},
	{"basic, control character", http.Header{"Authorization": {"Basic SzpKAA=="}}, "basic=J\x00", nil},
	{"basic, too long", http.Header{"Authorization": {"Basic " + strings.Repeat("a", 5*MaxKey)}}, "basic!", nil},
	{"basic and bearer", http.Header{"Authorization": {"Basic Szo=, Bearer K"}}, "basic=K, bearer=K", nil},
}

func TestHeaders(t *testing.T) {
	for _, c := range headers {
		t.Run(c.name, func(t *testing.T) {
			if c.left == nil {
				c.left = http.Header{}
			}
			testHeaders(t, headerOptions, c.h, c.want, c.left)
		})
	}
}

// testHeaders checks what is found and left, and that Keep finds the same and
// leaves everything.
func testHeaders(t *testing.T, o Options, h http.Header, want string, left http.Header) {
	t.Helper()
	original := h
	h = h.Clone()
	var s Set
	o.Keep = true
	newFinder(t, o).Headers(h, &s)
	if got := list(s.Found()); got != want {
		t.Errorf("keep: found %s, want %s", got, want)
	}
	if diff := cmp.Diff(original, h); diff != "" {
		t.Errorf("keep changes (-want +got):\n%s", diff)
	}
	s.Reset()
	o.Keep = false
	newFinder(t, o).Headers(h, &s)
	if got := list(s.Found()); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
	if diff := cmp.Diff(left, h); diff != "" {
		t.Errorf("left (-want +got):\n%s", diff)
	}
}

func TestHeadersOptions(t *testing.T) {
	const both, user, password = "Basic dXNlcjpwYXNz", "Basic dXNlcjo=", "Basic OnBhc3M="
	authorization := func(v ...string) http.Header { return http.Header{"Authorization": v} }
	for _, c := range []struct {
		name  string
		o     Options
		value string
		want  string
		stays bool
	}{
		{"any, both", Options{Basic: "any"}, both, "basic=pass", false},
		{"any, user", Options{Basic: "any"}, user, "basic=user", false},
		{"any, password", Options{Basic: "any"}, password, "basic=pass", false},
		{"user, both", Options{Basic: "user"}, both, "basic=user", false},
		{"user, password", Options{Basic: "user"}, password, "", false},
		{"password, both", Options{Basic: "password"}, both, "basic=pass", false},
		{"password, user", Options{Basic: "password"}, user, "", false},
		{"bearer, basic stays", Options{Bearer: true}, both, "", true},
		{"basic, bearer stays", Options{Basic: "any"}, "Bearer K", "", true},
		{"off", Options{}, "Bearer K", "", true},
		{"header", Options{Headers: []string{"authorization"}}, "K", "header authorization=K", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			left := http.Header{}
			if c.stays {
				left = authorization(c.value)
			}
			testHeaders(t, c.o, authorization(c.value), c.want, left)
		})
	}
}

// TestHeadersForgets: the array of the values does not hold what was deleted.
func TestHeadersForgets(t *testing.T) {
	values := []string{"Bearer K", "Negotiate x", "Bearer L"}
	newFinder(t, headerOptions).Headers(http.Header{"Authorization": values}, new(Set))
	if diff := cmp.Diff([]string{"Negotiate x", "", ""}, values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestHeadersWipesScratch: the user name and password decoded on the way too.
func TestHeadersWipesScratch(t *testing.T) {
	s := new(Set)
	newFinder(t, headerOptions).Headers(http.Header{"Authorization": {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}}, s)
	chunk := s.arena.chunk[:cap(s.arena.chunk)]
	if !strings.Contains(string(chunk), "sesame") {
		t.Fatal("the test tests nothing")
	}
	query := s.query[:cap(s.query)]
	if strings.Trim(string(query), "\x00") != "" {
		t.Errorf("left behind before Reset: %q", query)
	}
	if n := len(s.hits[:1][0].name + strings.Join(s.hits[:1][0].values, "")); n > 0 {
		t.Error("values of the header are left behind")
	}
	s.Reset()
	if all := strings.Trim(string(chunk)+string(query), "\x00"); all != "" {
		t.Errorf("left behind: %q", all)
	}
}

func TestDrop(t *testing.T) {
	for _, keep := range []bool{false, true} {
		f, err := New(Options{Headers: []string{"X-Key"}, Drop: []string{"X-Identity"}, Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"X-Identity": {"a"}, "X_identity": {"b"}, "x.IDENTITY": {"c"}, "X~identity": {"e"}, "X-Identity-2": {"d"}}
		s := GetSet()
		f.Headers(h, s)
		if len(h) != 1 || h["X-Identity-2"] == nil || len(s.Found()) != 0 {
			t.Errorf("keep %t: %v left, %d found", keep, h, len(s.Found()))
		}
		PutSet(s)
	}
	if _, err := New(Options{Headers: []string{"x_identity"}, Drop: []string{"X-Identity"}}); err == nil {
		t.Error("a header that is dropped was taken for one with credentials")
	}
}

// TestPlain: of a header on which the gate relies, only the spelling that it reads gets
// through.
func TestPlain(t *testing.T) {
	for _, keep := range []bool{false, true} {
		f, err := New(Options{Headers: []string{"X-Key"}, Plain: []string{"Content-Type"}, Keep: keep})
		if err != nil {
			t.Fatal(err)
		}
		h := http.Header{"Content-Type": {"a"}, "Content~type": {"b"}, "content-type": {"c"}, "Content_Type": {"d"}, "Content--Type": {"e"}}
		s := GetSet()
		f.Headers(h, s)
		if diff := cmp.Diff(http.Header{"Content-Type": {"a"}, "Content--Type": {"e"}}, h); diff != "" || len(s.Found()) != 0 {
			t.Errorf("keep %t: (-want +got):\n%s", keep, diff)
		}
		PutSet(s)
		for _, name := range []string{"Content-Type", "content+type"} {
			if !f.IsHeader(name) {
				t.Errorf("%s may come as a trailer", name)
			}
		}
	}
	if _, err := New(Options{Headers: []string{"content.type"}, Plain: []string{"Content-Type"}}); err == nil {
		t.Error("a header that is deleted was taken for one with credentials")
	}
}

// TestFreed: a header that is deleted leaves room for one value, any other leaves none.
func TestFreed(t *testing.T) {
	tests := map[string]struct {
		header http.Header
		keep   bool
		frees  bool
	}{
		"deleted":               {http.Header{"X-Api-Key": {"one", "two"}}, false, true},
		"without values":        {http.Header{"X-Api-Key": {}}, false, false},
		"another scheme":        {http.Header{"Authorization": {"Digest x"}}, false, false},
		"one of two schemes":    {http.Header{"Authorization": {"Digest x", "Bearer y"}}, false, false},
		"nothing":               {http.Header{"Accept": {"*/*"}}, false, false},
		"credentials that stay": {http.Header{"X-Api-Key": {"one"}}, true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			f := newFinder(t, Options{Bearer: true, Headers: []string{"X-API-Key"}, Keep: tt.keep})
			s := GetSet()
			f.Headers(tt.header, s)
			if room := s.Freed(); (room != nil) != tt.frees || tt.frees && (len(room) != 1 || cap(room) != 1) {
				t.Errorf("room for %d values of %d, want some: %t", len(room), cap(room), tt.frees)
			}
			s.Reset()
			if s.Freed() != nil {
				t.Error("the room is remembered beyond the request")
			}
			PutSet(s)
		})
	}
}
