package credential

import (
	"net/http"
	"sync"
	"testing"
)

// TestAllocations: once a Set has grown, requests like the last one allocate
// nothing, whatever is found and cut.
func TestAllocations(t *testing.T) {
	f := newFinder(t, Options{
		Bearer: true, Basic: "any", Headers: []string{"X-API-Key"}, Query: queryNames, Form: queryNames, Body: bodyNames,
		Resources: []string{"event", "userId"}, Require: []Requirement{{Fields: []string{"id"}, In: "properties"}},
	})
	below := newFinder(t, Options{
		Body: []string{"a.b.token", "token"}, BodyRows: []BodyRow{{"a.token", "a.b"}}, Resources: []string{"a.p"}, Concatenated: true,
		Require: []Requirement{{Fields: []string{"a.b.id"}}},
	})
	keep := newFinder(t, Options{Query: queryNames, Keep: true})
	h := http.Header{"Accept": {"a"}, "User-Agent": {"b"}}
	bearer, basic, digest := []string{"Bearer K"}, []string{"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, []string{"Digest a=b"}
	source := []byte(`{"token":"a\u0062","tok\u0065ns":1,"a":[{"b":[1.5,true,"é\n"]}],"userId":"u\u0031","event":17}`)
	lines := []byte("{\"token\":\"K\"}\n{\"apiKey\":\"L\",\"a\":1}\n")
	nested := []byte(`{"a":{"b":[{"token":"K","id":1},{"id":2,"a":{"token":"K"}}],"p":"q"}}{"token":"K","a":[{"p":1,"b":{"id":1}}]}`)
	buf := make([]byte, 0, 200)
	for name, do := range map[string]func(s *Set){
		"bearer":         func(s *Set) { h["Authorization"] = bearer; f.Headers(h, s) },
		"basic":          func(s *Set) { h["Authorization"] = basic; f.Headers(h, s) },
		"other scheme":   func(s *Set) { h["Authorization"] = digest; f.Headers(h, s) },
		"header":         func(s *Set) { h["X_api_key"] = bearer; h["X-Api-Key"] = basic; f.Headers(h, s) },
		"query, nothing": func(s *Set) { _, _ = f.Query("a=1&%62=2&c[]=%zz", s) },
		"query, keep":    func(s *Set) { _, _ = keep.Query("a=1&%61piKey=%4b&apiKey=K", s) },
		"form":           func(s *Set) { _, _ = f.Form(append(buf, "a=1&%61piKey=%4b&apiKey=K"...), s) },
		"JSON":           func(s *Set) { _, _ = f.JSON(append(buf, source...), false, s) },
		"nested":         func(s *Set) { _, _ = below.JSON(append(buf, nested...), false, s) },
		"NDJSON":         func(s *Set) { _, _ = f.JSON(append(buf, lines...), true, s) },
	} {
		s := new(Set)
		if n := testing.AllocsPerRun(100, func() { s.Reset(); do(s) }); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

// TestConcurrent: a Finder is shared, Sets are not.
func TestConcurrent(t *testing.T) {
	f := newFinder(t, Options{Headers: []string{"key"}, Query: []string{"key"}, Body: []string{"key"}})
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			key := string(rune('a' + i))
			for range 500 {
				s := GetSet()
				f.Headers(http.Header{"Key": {key}}, s)
				if clean, err := f.Query("a&key="+key, s); clean != "a" || err != nil {
					t.Errorf("query: %q, %v", clean, err)
				}
				if clean, err := f.JSON([]byte(`{"key":"`+key+`"}`), false, s); string(clean) != "{}" || err != nil {
					t.Errorf("JSON: %q, %v", clean, err)
				}
				if got := outcome(s.One(false)); got != key || len(s.Found()) != 3 {
					t.Errorf("got %s out of %s, want %s", got, list(s.Found()), key)
				}
				PutSet(s)
			}
		})
	}
	wait.Wait()
}
