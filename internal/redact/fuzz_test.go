package redact

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

// FuzzHidesKeys plants a key under a name of a credential with the standard library's
// encoders, or with bytes encoded at random, between bytes that may be anything.
func FuzzHidesKeys(f *testing.F) {
	n := NewNames()
	n.AddQuery("shopKey")
	names := []string{"apiKey", "api_key", "_apikey", "token", "access_token", "shopkey", "X-API-Key"}
	f.Add("k", "a=1", "b=2", uint8(0), uint8(0), uint64(0))
	f.Add("key with spaces &=", "%zz", "#", uint8(1), uint8(3), uint64(0xffff))
	f.Add("k;k", "a;b", ";c=d", uint8(2), uint8(1), uint64(0x123456789))
	f.Add("k%", "token=", "%", uint8(6), uint8(2), uint64(0xfedcba987654321))
	for form := range uint8(10) {
		f.Add("k", "x", "y", form, form, uint64(form))
	}
	f.Fuzz(func(t *testing.T, key, before, after string, which, form uint8, bits uint64) {
		if strings.Contains(before+after, canary) || len(key) > 512 {
			t.Skip()
		}
		name := names[int(which)%len(names)]
		raw, clean := plant(n, canary+key+canary, name, before, after, form, bits)
		got := clean(raw)
		if strings.Contains(got, canary) {
			t.Errorf("%q became %q", raw, got)
		}
		if again := clean(got); again != got {
			t.Errorf("not idempotent: %q, then %q", got, again)
		}
	})
}

// plant returns a text with a key in it, and the method that has to find it.
func plant(n *Names, key, name, before, after string, form uint8, bits uint64) (string, func(string) string) {
	mangled := mangle(name, bits)
	escaped := mangle(url.QueryEscape(key), bits>>8)
	noise := url.QueryEscape(before)
	switch form % 10 {
	case 0:
		return before + "&" + mangled + "=" + escaped + "&" + after, n.Query
	case 1:
		return before + ";" + mangled + "=" + escaped + ";" + after, n.Query
	case 2:
		return "/p#" + before + "?" + after + "&" + mangled + "=" + escaped + "#" + after, n.URL
	case 3:
		return "/p?" + url.Values{name: {key}, before: {after}}.Encode(), n.URL
	case 4:
		u := url.URL{Scheme: "https", Host: "host", Path: "/" + before, RawQuery: after, User: url.UserPassword(before, key)}
		return u.String(), n.URL
	case 5:
		return "/p?u=" + url.QueryEscape("/q?"+noise+"&"+mangled+"="+escaped) + "&" + after, n.URL
	case 6:
		return fmt.Sprintf("Get %q: %s", "http://h/p?"+noise+"&"+mangled+"="+escaped, after), n.Text
	case 7:
		member, _ := json.Marshal(map[string]any{name: key, "zz": after})
		return fmt.Sprintf("body %s %s", member, after), n.Text
	case 8:
		return fmt.Sprintf("%s: %s\r\n%s", name, strings.NewReplacer("\r", "", "\n", "", `"`, "").Replace(key), after), n.Text
	}
	return "sent Bearer " + escaped + " " + after, n.Text
}

// mangle changes case and percent-encodes bytes of s, once or twice, as bits say. What is
// encoded already stays as it is.
func mangle(s string, bits uint64) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%' || i > 0 && s[i-1] == '%' || i > 1 && s[i-2] == '%':
			b.WriteByte(c)
		case bits&3 == 2:
			fmt.Fprintf(&b, "%%%02x", c)
		case bits&3 == 3:
			fmt.Fprintf(&b, "%%25%02X", c)
		case bits&3 == 1:
			b.WriteString(strings.ToUpper(string(c)))
		default:
			b.WriteByte(c)
		}
		bits = bits>>2 | bits<<62
	}
	return b.String()
}

// FuzzAnyText takes any text at all: nothing panics, cleaning twice is cleaning once, and
// what has no name in it and no key stays as it is.
func FuzzAnyText(f *testing.F) {
	n := NewNames()
	f.Add("Get \"http://h/?apiKey=k\": EOF")
	f.Add(`{"token":["k",{"a":"\\"}]}`)
	f.Add(`\u0026token\u003dk`)
	f.Add("token: [ {")
	f.Fuzz(func(t *testing.T, text string) {
		for name, clean := range map[string]func(string) string{"Text": n.Text, "URL": n.URL, "Query": n.Query} {
			got := clean(text)
			if again := clean(got); again != got {
				t.Errorf("%s is not idempotent: %q, %q, then %q", name, text, got, again)
			}
			if got != text && !strings.Contains(got, Redacted) {
				t.Errorf("%s(%q) = %q", name, text, got)
			}
		}
	})
}

// FuzzLook has those who know names read a text that look found no name in: they find nothing
// either.
func FuzzLook(f *testing.F) {
	n := NewNames()
	n.AddQuery("shopKey")
	for _, text := range []string{
		"sent Bearer abc", "bearer+abc[", "BASIC\tabc", "a.b Bearer", "/x?shop-key=a", "shopkey: a", "sh%6fpkey=a", `shop\u006bey:a`,
		"//user:a@host", "a@b / c", "apiK\u017fey=a", "%", "a%2", "key=", "api+key=a", "Accept: */*", `"api key"=a`, "token[a=b",
	} {
		f.Add(text)
	}
	find := map[string]func(*Cleaner){
		"Text":  func(c *Cleaner) { c.pairs(); c.words() },
		"URL":   func(c *Cleaner) { c.url(0, len(c.text)) },
		"Query": func(c *Cleaner) { c.query(0, len(c.text)) },
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, find := range find {
			c := n.Cleaner(false)
			c.prose, c.text = name == "Text", append(c.text, text...)
			if !c.look() {
				before := len(c.cuts)
				find(c)
				c.each(findScheme)
				c.each(findUserinfo)
				if len(c.cuts) > before {
					t.Errorf("%s: %q: no names, but %v", name, text, c.cuts[before:])
				}
			}
			c.Free()
		}
	})
}
