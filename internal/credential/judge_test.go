package credential

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// judgeOf knows some keys, and counts what it is asked.
type judgeOf struct {
	known []string
	asked []string
}

func (j *judgeOf) IsKey(location string, key []byte) bool {
	if key == nil {
		j.asked = append(j.asked, location+"!")
		return false
	}
	j.asked = append(j.asked, location+"="+string(key))
	return slices.Contains(j.known, string(key))
}

// TestJudge: a value that no record knows, in a location that nobody has named, is
// somebody else's. It stays to the byte, and is no credential.
func TestJudge(t *testing.T) {
	f := newFinder(t, Options{
		Bearer: true, Basic: "any", Headers: []string{"X-API-Key"}, Query: []string{"apiKey", "api_key"},
		Form: []string{"token"}, Body: []string{"token", "api_key"},
	})
	header := func(name string) func(string, *Set) (string, error) {
		return func(v string, s *Set) (string, error) {
			h := http.Header{name: {v}}
			f.Headers(h, s)
			return strings.Join(h[name], "|"), nil
		}
	}
	query := f.Query
	form := func(raw string, s *Set) (string, error) {
		clean, err := f.Form([]byte(raw), s)
		return string(clean), err
	}
	body := func(raw string, s *Set) (string, error) {
		clean, err := f.JSON([]byte(raw), false, s)
		return string(clean), err
	}
	for name, c := range map[string]struct {
		in        func(string, *Set) (string, error)
		raw, want string
		found     string
	}{
		"bearer, known":          {header("Authorization"), "Bearer K1", "", "bearer=K1"},
		"bearer, unknown":        {header("Authorization"), "Bearer user.jwt.x", "Bearer user.jwt.x", ""},
		"bearer, no token":       {header("Authorization"), "Bearer a b", "Bearer a b", ""},
		"bearer, comma":          {header("Authorization"), "Bearer other,K1", "Bearer other", "bearer!"},
		"bearer, tab":            {header("Authorization"), "Bearer\tK1", "", "bearer!"},
		"bearer, first word":     {header("Authorization"), "Bearer K1 x", "", "bearer!"},
		"bearer, last word":      {header("Authorization"), "Bearer x y K1", "", "bearer!"},
		"bearer, quoted":         {header("Authorization"), `Bearer "K1"`, "", "bearer!"},
		"bearer, parameter":      {header("Authorization"), `Bearer token="K1", nonce=x`, "nonce=x", "bearer!"},
		"header, semicolon":      {header("X-Api-Key"), "K1;q=1", "", "header X-API-Key!"},
		"header, scheme":         {header("X-Api-Key"), "Bearer K1", "", "header X-API-Key!"},
		"header, Latin 1 space":  {header("X-Api-Key"), "K1\xa0", "", "header X-API-Key!"},
		"query, spaces":          {query, "apiKey=+K1%20&a", "a", "query apiKey!"},
		"query, NUL":             {query, "apiKey=K1%00x", "", "query apiKey!"},
		"query, decoded twice":   {query, "apiKey=x%26apiKey%3DK1", "", "query apiKey!"},
		"query, invalid":         {query, "apiKey=K1%ff", "", "query apiKey!"},
		"query, much around it":  {query, "apiKey=" + strings.Repeat("+", MaxKey) + "K1", "", "query apiKey!"},
		"form, line":             {form, "token=K1%0A", "", "form token!"},
		"member, spaces":         {body, `{"token":"\u0020K1 "}`, `{}`, "body token!"},
		"member, BOM":            {body, `{"token":"\ufeffK1"}`, `{}`, "body token!"},
		"member, surrogate":      {body, `{"token":"K1\ud800"}`, `{}`, "body token!"},
		"member, array of one":   {body, `{"a":1,"token":[ ["\u004b1"]]}`, `{"a":1}`, "body token!"},
		"member, number that is": {body, `{"token":4711}`, `{}`, "body token!"},
		"member, padding":        {body, `{"token":"K1=="}`, `{"token":"K1=="}`, ""},
		"member, in a word":      {body, `{"token":"xK1"}`, `{"token":"xK1"}`, ""},
		"bearer, both":           {header("Authorization"), "Bearer K1, Bearer  other", "Bearer  other", "bearer=K1"},
		"basic, unknown":         {header("Authorization"), "Basic dTpw", "Basic dTpw", ""},
		"header, known":          {header("X-Api-Key"), "K1", "", "header X-API-Key=K1"},
		"header, unknown":        {header("X-Api-Key"), "a ,  b", "a ,  b", ""},
		"header, both":           {header("X-Api-Key"), "a, K1,b", "a, b", "header X-API-Key=K1"},
		"header, two known":      {header("X-Api-Key"), "K2,K1", "", "header X-API-Key=K2, header X-API-Key=K1"},
		"header, invalid":        {header("X-Api-Key"), "\xff", "\xff", ""},
		"query, known":           {query, "a=1&apiKey=K1&b=2", "a=1&b=2", "query apiKey=K1"},
		"query, unknown":         {query, "a=1&apiKey=%61&b=2", "a=1&apiKey=%61&b=2", ""},
		"query, both":            {query, "apiKey=x&api_key=K%31", "apiKey=x", "query api_key=K1"},
		"query, empty":           {query, "apiKey=&a", "apiKey=&a", ""},
		"form, both":             {form, "token=x&token=K1&z", "token=x&z", "form token=K1"},
		"member, unknown":        {body, `{"token":"fcm-device-token","a":1}`, `{"token":"fcm-device-token","a":1}`, ""},
		"member, object":         {body, `{"token":{"token":"K1"}}`, `{"token":{"token":"K1"}}`, ""},
		"member, number":         {body, `{"token":123}`, `{"token":123}`, ""},
		"member, null":           {body, `{"token":null,"a":1}`, `{"token":null,"a":1}`, ""},
		"member, empty":          {body, `{"token":""}`, `{"token":""}`, ""},
		"member, lone surrogate": {body, `{"token":"\ud800"}`, `{"token":"\ud800"}`, ""},
		"member, too long":       {body, `{"token":"` + strings.Repeat("x", MaxKey+1) + `"}`, `{"token":"` + strings.Repeat("x", MaxKey+1) + `"}`, ""},
		"member, known":          {body, `{"token":"K1","a":1}`, `{"a":1}`, "body token=K1"},
		"members, both":          {body, `{"token":"x","api_key":"K\u0031"}`, `{"token":"x"}`, "body api_key=K1"},
		"rows":                   {body, `[{"token":"x"},{"token":"K1"},{"token":"y"}]`, `[{"token":"x"},{},{"token":"y"}]`, "body token=K1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Set{Judge: &judgeOf{known: []string{"K1", "K2", "4711"}}}
			got, err := c.in(c.raw, &s)
			if err != nil || got != c.want {
				t.Errorf("got %.200q, %v; want %.200q", got, err, c.want)
			}
			if found := list(s.Found()); found != c.found {
				t.Errorf("found %s, want %s", found, c.found)
			}
		})
	}
}

// TestJudgeIsAskedOnce: a client can make a look-up costly, so each value is looked
// up once, and not too many.
func TestJudgeIsAskedOnce(t *testing.T) {
	f := newFinder(t, Options{Body: []string{"token"}})
	rows := func(n int) []byte {
		var b strings.Builder
		for i := range 3 * n {
			fmt.Fprintf(&b, `%c{"token":"t%d"}`, "[,"[min(i, 1)], i%n)
		}
		return []byte(b.String() + "]")
	}
	for n, want := range map[int]error{1: ErrMissing, MaxCandidates: ErrMissing, MaxCandidates + 1: ErrCandidates} {
		j := new(judgeOf)
		s := Set{Judge: j}
		if _, err := f.JSON(rows(n), false, &s); err != nil {
			t.Fatal(err)
		}
		if len(j.asked) != min(n, MaxCandidates) {
			t.Errorf("%d values: asked %d times", n, len(j.asked))
		}
		for _, first := range []bool{false, true} {
			if _, err := s.One(first); !errors.Is(err, want) {
				t.Errorf("%d values: One(%t): %v, want %v", n, first, err, want)
			}
		}
		if s.Reset(); s.Judge != nil || len(s.judged) > 0 || s.many {
			t.Errorf("left after Reset: %v", &s)
		}
	}
}
