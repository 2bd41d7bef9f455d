package credential

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// event returns a typical event of about 1,000 bytes, its key first or last.
func event(i int, keyFirst bool) string {
	key := `"token":"iak_live_0123456789abcdefghijABCDEFGHIJ01abcdef"`
	first, last := "", ","+key
	if keyFirst {
		first, last = key+",", ""
	}
	return fmt.Sprintf(`{%s"type":"track","event":"Order Completed","messageId":"ajs-next-%08d-4a1b-9c3d-77e0b5f6a1c2",`+
		`"userId":"usr_%06d","anonymousId":"507f191e-810c-4197-29de-860ea%06d","timestamp":"2026-02-14T09:26:53.589Z",`+
		`"properties":{"orderId":"50314b8e9bcf000000000000","total":27.5,"shipping":3,"tax":2.25,"currency":"EUR","coupon":null,`+
		`"products":[{"productId":"507f1f77bcf86cd799439011","sku":"45790-32","name":"Monopoly: 3rd Edition","price":19,"quantity":1,`+
		`"category":"Games"},{"productId":"505bd76785ebb509fc183733","sku":"46493-32","name":"Uno \"Card\" Game","price":3.5,"quantity":2}]},`+
		`"context":{"ip":"192.0.2.17","locale":"de-DE","library":{"name":"analytics.js","version":"2.11.1"},`+
		`"page":{"path":"/academy/","referrer":"","search":"?q=1","title":"Analytics Académie","url":"https://example.com/academy/"},`+
		`"userAgent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36","online":true}%s}`,
		first, i, i, i, last)
}

// batch returns an array of events of about 100,000 bytes.
func batch() []byte {
	var b strings.Builder
	for i := range 90 {
		fmt.Fprintf(&b, "%c%s", "[,"[min(i, 1)], event(i, false))
	}
	return []byte(b.String() + "]")
}

func BenchmarkJSON1K(b *testing.B)   { benchmarkJSON(b, []byte(event(1, false))) }
func BenchmarkJSON100K(b *testing.B) { benchmarkJSON(b, batch()) }

// BenchmarkJSONNested has its key where PostHog's clients put it, two levels down.
func BenchmarkJSONNested(b *testing.B) {
	body := []byte(strings.Replace(event(1, false), `"coupon":null`, `"token":"iak_live_0123456789abcdefghijABCDEFGHIJ01abcdef"`, 1))
	o := Options{Body: []string{"token", "properties.token"}}
	f, buf := newFinder(b, o), make([]byte, len(body))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		copy(buf, body)
		s := GetSet()
		if _, err := f.JSON(buf, false, s); err != nil || len(s.Found()) != 2 {
			b.Fatal(err, s)
		}
		PutSet(s)
	}
}

// BenchmarkJSONIndented is mostly white space.
func BenchmarkJSONIndented(b *testing.B) {
	var indented bytes.Buffer
	if err := json.Indent(&indented, batch(), "", "    "); err != nil {
		b.Fatal(err)
	}
	benchmarkJSON(b, indented.Bytes())
}

// benchmarkJSON compares cutting (and the copy that it needs as it destroys its
// input), finding only, and json.Valid.
func benchmarkJSON(b *testing.B, body []byte) {
	o := Options{
		Body:      []string{"token", "apiKey"},
		Require:   []Requirement{{Any: true, Fields: []string{"userId", "externalId", "email"}}},
		Resources: []string{"project"},
	}
	for _, keep := range []bool{false, true} {
		o.Keep = keep
		f := newFinder(b, o)
		b.Run(map[bool]string{false: "cut", true: "keep"}[keep], func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			buf := make([]byte, len(body))
			for b.Loop() {
				copy(buf, body)
				s := GetSet()
				clean, err := f.JSON(buf, false, s)
				if err != nil || keep != (len(clean) == len(body)) || len(s.Found()) != 1 {
					b.Fatal(err, len(clean), s)
				}
				PutSet(s)
			}
		})
	}
	b.Run("json.Valid", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if !json.Valid(body) {
				b.Fatal("invalid")
			}
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	f := newFinder(b, Options{Query: []string{"apiKey", "_apikey"}})
	for _, c := range []struct {
		name, raw, clean string
	}{
		{"absent", "utm_source=news&utm_medium=email&page=2&sort=desc&q=red+shoes", "utm_source=news&utm_medium=email&page=2&sort=desc&q=red+shoes"},
		{"present", "utm_source=news&apiKey=iak_live_0123456789abcdefghij&page=2&q=red+shoes", "utm_source=news&page=2&q=red+shoes"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s := GetSet()
				if clean, err := f.Query(c.raw, s); err != nil || clean != c.clean {
					b.Fatal(clean, err)
				}
				PutSet(s)
			}
		})
	}
}

func BenchmarkForm(b *testing.B) {
	f := newFinder(b, Options{Form: []string{"key"}, Keep: true})
	body := []byte(strings.Repeat("a=1&event=Order+Completed&total=27.50&", 25) + "key=iak_live_0123456789abcdefghij")
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		s := GetSet()
		if _, err := f.Form(body, s); err != nil || len(s.Found()) != 1 {
			b.Fatal(err, s)
		}
		PutSet(s)
	}
}

func BenchmarkHeaders(b *testing.B) {
	h := http.Header{
		"Accept": {"*/*"}, "Accept-Encoding": {"gzip, deflate, br"}, "Accept-Language": {"de-DE"},
		"Content-Length": {"1024"}, "Content-Type": {"application/json"}, "Origin": {"https://example.com"},
		"Referer": {"https://example.com/academy/"}, "User-Agent": {"Mozilla/5.0"}, "X-Request-Id": {"4a1b9c3d"},
	}
	for _, c := range []struct{ name, header, value string }{
		{"bearer", "Authorization", "Bearer iak_live_0123456789abcdefghijABCDEFGHIJ01abcdef"},
		{"header", "X-Api-Key", "iak_live_0123456789abcdefghijABCDEFGHIJ01abcdef"},
		{"basic", "Authorization", "Basic aWFrX2xpdmVfMDEyMzQ1Njc4OWFiY2RlZmdoaWo6"},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := newFinder(b, Options{Bearer: true, Basic: "any", Headers: []string{"X-API-Key"}})
			value := []string{c.value}
			b.ReportAllocs()
			for b.Loop() {
				h[c.header] = value
				s := GetSet()
				f.Headers(h, s)
				if len(s.Found()) != 1 || len(h) != 9 {
					b.Fatal(s, len(h))
				}
				PutSet(s)
			}
		})
	}
}
