package credential

import (
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	bearerLeft = regexp.MustCompile(`(?i)(^|,)[ \t]*(bearer|basic)([ \t]*(,|$)|[ \t]+[^=, \t])`)
	oneBearer  = regexp.MustCompile(`^(?i:bearer) ([0-9A-Za-z._~+/-]+=*)$`)
)

// FuzzHeaders: values are separated by LF, as none has one in it.
func FuzzHeaders(f *testing.F) {
	for _, name := range []string{"Authorization", "authorization", "X-Api-Key", "x_api.key", "X~API|Key", "Key", "Accept"} {
		for _, value := range []string{"K", "Bearer K", "bearer K==\nBearer L", "Bearer K, Digest a=b, c=d", "Digest a=b, Bearer K", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", "Basic Szo", " \t,", ""} {
			f.Add(name, value)
		}
	}
	finder := newFinder(f, headerOptions)
	o := headerOptions
	o.Keep = true
	keep := newFinder(f, o)
	f.Fuzz(func(t *testing.T, name, value string) {
		values := strings.Split(value, "\n")
		h := http.Header{name: slices.Clone(values), "Accept-Language": {"de"}}
		s := new(Set)
		keep.Headers(h, s)
		if !slices.Equal(h[name], values) || len(h) > 2 {
			t.Errorf("keep: %q", h)
		}
		found := list(s.Found())
		s.Reset()
		finder.Headers(h, s)
		if got := list(s.Found()); got != found {
			t.Errorf("found %q, with keep %q", got, found)
		}
		if h["Accept-Language"] == nil {
			t.Errorf("other headers are gone: %q", h)
		}
		checkHeader(t, h, name, values, found)
	})
}

func checkHeader(t *testing.T, h http.Header, name string, values []string, found string) {
	t.Helper()
	left, there := h[name]
	switch folded := variable(name); folded {
	case "X_API_KEY", "KEY":
		want := new(expected)
		location := map[string]string{"X_API_KEY": "header X-API-Key", "KEY": "header key"}[folded]
		for _, v := range strings.FieldsFunc(strings.Join(values, ","), func(r rune) bool { return r == ',' }) {
			if v = strings.Trim(v, " \t"); strings.ToValidUTF8(v, "") != v || len(v) > MaxKey {
				want.store(location, location+"!")
			} else if v != "" {
				want.store(location, location+"="+v)
			}
		}
		if there || found != strings.Join(want.found, ", ") {
			t.Errorf("left %q, found %s, want %q", left, found, want.found)
		}
	case "AUTHORIZATION":
		checkAuthorization(t, left, values, found)
	default:
		if !slices.Equal(left, values) || found != "" {
			t.Errorf("left %q, found %s in another header", slices.Collect(maps.Values(h)), found)
		}
	}
}

func checkAuthorization(t *testing.T, left, values []string, found string) {
	t.Helper()
	for _, v := range left {
		if m := bearerLeft.FindString(v); m != "" {
			t.Errorf("left %q of %q", m, v)
		}
		if strings.Trim(v, " \t") == "" {
			t.Errorf("left an empty value: %q", left)
		}
	}
	if len(values) != 1 {
		return
	}
	if m := oneBearer.FindStringSubmatch(values[0]); m != nil && len(m[1]) <= MaxKey && (found != "bearer="+m[1] || len(left) > 0) {
		t.Errorf("found %q, want %q; left %q", found, m[1], left)
	}
	r := http.Request{Header: http.Header{"Authorization": values}}
	user, password, ok := r.BasicAuth()
	if password == "" {
		password = user
	}
	if ok && !strings.ContainsAny(values[0], "\r") && validKey([]byte(password)) && password != "" && found != "basic="+password {
		t.Errorf("found %q, want %q", found, password)
	}
}

// variable is the name of the variable into which lighttpd turns a field (RFC 3875,
// section 4.1.18, without the HTTP_).
func variable(name string) string {
	out := []byte(name)
	for i, c := range out {
		switch {
		case 'a' <= c && c <= 'z':
			out[i] = c - 'a' + 'A'
		case (c < 'A' || c > 'Z') && (c < '0' || c > '9'):
			out[i] = '_'
		}
	}
	return string(out)
}
