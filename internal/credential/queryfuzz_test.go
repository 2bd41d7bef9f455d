package credential

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func FuzzQuery(f *testing.F) {
	for _, c := range queries {
		if len(c.raw) < 1000 {
			f.Add(c.raw)
		}
	}
	o := Options{Query: queryNames}
	finder := newFinder(f, o)
	o.Keep = true
	keep := newFinder(f, o)
	f.Fuzz(func(t *testing.T, raw string) {
		s := new(Set)
		clean, err := finder.Query(raw, s)
		found := list(s.Found())
		s.Reset()
		if kept, keepErr := keep.Query(raw, s); kept != raw || kind(keepErr) != kind(err) || list(s.Found()) != found {
			t.Errorf("keep: %q, %v, found %s", kept, keepErr, list(s.Found()))
		}
		checkParams(t, raw, clean, err, found, "query ")
		if err == nil {
			s.Reset()
			if again, err := finder.Query(clean, s); again != clean || err != nil || len(s.Found()) > 0 {
				t.Errorf("clean query again: %q, %v, found %s", again, err, list(s.Found()))
			}
		}
	})
}

func FuzzForm(f *testing.F) {
	for _, c := range queries {
		if len(c.raw) < 1000 {
			f.Add([]byte(c.raw))
		}
	}
	o := Options{Form: queryNames}
	finder := newFinder(f, o)
	o.Keep = true
	keep := newFinder(f, o)
	f.Fuzz(func(t *testing.T, raw []byte) {
		s, body := new(Set), bytes.Clone(raw)
		kept, keepErr := keep.Form(body, s)
		found := list(s.Found())
		if !bytes.Equal(kept, raw) || !bytes.Equal(body, raw) {
			t.Errorf("keep: %q, %v", kept, keepErr)
		}
		s.Reset()
		clean, err := finder.Form(body, s)
		if kind(keepErr) != kind(err) || list(s.Found()) != found {
			t.Errorf("%v, found %s; keep: %v, found %s", err, list(s.Found()), keepErr, found)
		}
		checkParams(t, string(raw), string(clean), err, found, "form ")
	})
}

// checkParams checks a query or a form with net/url and with expectParams.
func checkParams(t *testing.T, raw, clean string, err error, found, prefix string) {
	t.Helper()
	wantClean, wantFound, sure := expectParams(raw, prefix)
	if err != nil {
		if sure {
			t.Errorf("%v, but %q is plain", err, raw)
		}
		if clean != raw {
			t.Errorf("%v, but it is now %q", err, clean)
		}
		return
	}
	if clean != wantClean {
		t.Errorf("got %q, want %q", clean, wantClean)
	}
	if found != wantFound {
		t.Errorf("found %q, want %q", found, wantFound)
	}
	if !subsequence(clean, raw) {
		t.Errorf("%q is not a subsequence", clean)
	}
	values, err := url.ParseQuery(raw)
	if err != nil {
		return
	}
	for name := range values {
		if matching(queryNames, name) != "" {
			delete(values, name)
		}
	}
	left, err := url.ParseQuery(clean)
	if err != nil {
		t.Errorf("%q: %v", clean, err)
	}
	if diff := cmp.Diff(values, left); diff != "" {
		t.Errorf("net/url (-want +got):\n%s", diff)
	}
}

// plainName tells whether no reader can take name, which is none of ours, for
// another one.
func plainName(name string) bool {
	return !strings.ContainsAny(name, " .[]?#\ufeff\t\r\n\v\f\x00") && utf8.ValidString(name) && matching([]string{"api_token", "my_key"}, name) == ""
}

// expectParams is a slow Query. It is sure if nothing can be ambiguous.
func expectParams(raw, prefix string) (clean, found string, sure bool) {
	e := new(expected)
	sure = true
	kept := false
	for rest, separator := raw, ""; ; {
		i := strings.IndexAny(rest, "&;")
		one := rest
		if i >= 0 {
			one = rest[:i]
		}
		rawName, rawValue, _ := strings.Cut(one, "=")
		name, err := url.QueryUnescape(rawName)
		credential := ""
		if err == nil {
			credential = matching(queryNames, name)
		}
		if credential == "" {
			if kept {
				clean += separator
			}
			clean, kept = clean+one, true
			sure = sure && err == nil && plainName(name)
		} else {
			value, err := url.QueryUnescape(rawValue)
			sure = sure && (rawName != one || i < 0 || rest[i] != ';')
			sure = sure && err == nil && !strings.ContainsFunc(rawValue, func(r rune) bool { return r <= ' ' || r == 0x7f })
			if bad := len(value) > MaxKey || strings.ToValidUTF8(value, "") != value; bad {
				e.store(prefix+credential, prefix+credential+"!")
			} else if value != "" {
				e.store(prefix+credential, prefix+credential+"="+value)
			}
		}
		if i < 0 {
			return clean, strings.Join(e.found, ", "), sure
		}
		separator, rest = rest[i:i+1], rest[i+1:]
	}
}
