package credential

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// In a place that is only emptied the same goes as in one for credentials, and
// nothing is found. So the tables of what is found and left hold for it too, but
// for what was found there.

// except returns a list of what was found without that in some locations.
func except(found string, locations ...string) string {
	left := slices.DeleteFunc(strings.Split(found, ", "), func(one string) bool {
		return slices.ContainsFunc(locations, func(l string) bool { return strings.HasPrefix(one, l+"=") || one == l+"!" })
	})
	return strings.Join(left, ", ")
}

func TestRemoveHeaders(t *testing.T) {
	for _, c := range headers {
		t.Run(c.name, func(t *testing.T) {
			if c.left == nil {
				c.left = http.Header{}
			}
			keys := headerOptions.Headers
			testHeaders(t, Options{Basic: "any", Headers: keys, Remove: Locations{Bearer: true}}, c.h, except(c.want, "bearer"), c.left)
			testHeaders(t, Options{Bearer: true, Headers: keys, Remove: Locations{Basic: true}}, c.h, except(c.want, "basic"), c.left)
			testHeaders(t, Options{Bearer: true, Basic: "any", Headers: keys[:1], Remove: Locations{Headers: keys[1:]}}, c.h, except(c.want, "header key"), c.left)
			testHeaders(t, Options{Remove: Locations{Bearer: true, Basic: true, Headers: keys}}, c.h, "", c.left)
		})
	}
}

func TestRemoveParams(t *testing.T) {
	kept, gone := queryNames[1:], queryNames[:1]
	query := func(o Options, raw string, s *Set) (string, error) { return newFinder(t, o).Query(raw, s) }
	form := func(o Options, raw string, s *Set) (string, error) {
		clean, err := newFinder(t, o).Form([]byte(raw), s)
		return string(clean), err
	}
	for _, c := range queries {
		if c.clean == "!" {
			continue // some of it need not be read here: see TestRemoveUnread
		}
		t.Run(c.name, func(t *testing.T) {
			check := func(find func(Options, string, *Set) (string, error), o Options, want string) {
				t.Helper()
				s, left := new(Set), c.clean
				if left == "=" {
					left = c.raw
				}
				if clean, err := find(o, c.raw, s); err != nil || clean != left || list(s.Found()) != want {
					t.Errorf("got %.100q, %v, found %.100s; want %.100q, %.100s", clean, err, list(s.Found()), left, want)
				}
				o.Keep = true
				if clean, err := find(o, c.raw, new(Set)); err != nil || clean != c.raw {
					t.Errorf("keep: got %.100q, %v", clean, err)
				}
			}
			left := except(c.found, gone...)
			check(query, Options{Query: kept, Remove: Locations{Query: gone}}, prefixed("query ", left))
			check(query, Options{Remove: Locations{Query: queryNames}}, "")
			check(form, Options{Form: kept, Remove: Locations{Form: gone}}, prefixed("form ", left))
			check(form, Options{Remove: Locations{Form: queryNames}}, "")
		})
	}
}

// TestRemoveUnread: what cannot be read as a credential goes, too, where it is
// none; but a name that readers may differ in is refused as ever.
func TestRemoveUnread(t *testing.T) {
	o := Options{Body: []string{"token"}, Query: []string{"key"}, Remove: Locations{Query: []string{"old"}, Body: []string{"old"}, BodyRows: []BodyRow{{"token", "events"}}}}
	f := newFinder(t, o)
	for raw, want := range map[string]string{
		"a=1&old=%zz&b=2": "a=1&b=2", "old=a+b&a": "a", "OLD=x&old=y": "", "old=%00": "", "a=1&key=K&old": "a=1", "%6fld=1&c": "c",
		"old[]=K": "!", "o%zzld=1&old=1": "!", "old%00=K": "!", "a=1&old;x=1": "!", "a=1&old=1;x=1": "a=1;x=1", "key=%zz&old=1": "!",
	} {
		clean, err := f.Query(raw, new(Set))
		if err == nil && clean != want || (err != nil) != (want == "!") {
			t.Errorf("%q: %q, %v", raw, clean, err)
		}
	}
	for body, want := range map[string]string{
		`{"old":1,"token":"K","Old":{"a":[]}}`:                                                      `token=K: {}`,
		`{"token":"K","events":[{"token":"L","a":1},{"a":1,"TOKEN":null,"token":"\u0000","b":{}}]}`: `token=K: {"events":[{"a":1},{"a":1,"b":{}}]}`,
		`{"events":[{"tok\u0065n":"\ud800"},{"token":[{"token":1}]},[{"token":"L"}]],"token":"K"}`:  `token=K: {"events":[{},{},[{"token":"L"}]]}`,
		`{"events":[{"token":"L"}]}`:                                                                `: {"events":[{}]}`,
		`{"events":{"token":"L"}}`:                                                                  `: {"events":{"token":"L"}}`,
		`{"events":[{"token\u0000":"L"}]}`:                                                          "!",
		`{"events":[{"token":"L"}],"events":[]}`:                                                    "!",
		`{"old\ud800":"L"}`:                                                                         "!",
		`[{"token":"K","old":"L"},{"old":2,"old":"M"}]`:                                             `token=K: [{},{}]`,
	} {
		s := new(Set)
		clean, err := f.JSON([]byte(body), false, s)
		if got := strings.TrimPrefix(list(s.Found()), "body ") + ": " + string(clean); err == nil && got != want || (err != nil) != (want == "!") {
			t.Errorf("%s: %s, %v", body, got, err)
		}
	}
}
