package embedded

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
)

// document returns a document with all kinds of characters, and bytes that base64 has plus
// signs and slashes for, and what it is without its token.
func document(token string, spaces int) (whole, rest string, cut Span) {
	member, end := `"token":"`+token+`",`, `"a":"b~c?>é%+&=;","n":1.0,"z":"~~~???"}`+strings.Repeat(" ", spaces)
	return "{" + member + end, "{" + end, Span{1, 1 + len(member)}
}

var ways = map[string]struct {
	write func(document string) string
	// alike says that one cannot tell from every value whether it would be padded.
	alike bool
}{
	"percent-encoded":            {url.QueryEscape, false},
	"some of it encoded":         {func(d string) string { return strings.ReplaceAll(url.QueryEscape(d), "%22", `"`) }, false},
	"base64":                     {func(d string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(d))) }, false},
	"base64, not encoded":        {func(d string) string { return base64.StdEncoding.EncodeToString([]byte(d)) }, false},
	"base64, not padded":         {func(d string) string { return url.QueryEscape(base64.RawStdEncoding.EncodeToString([]byte(d))) }, true},
	"base64 of URLs":             {func(d string) string { return base64.URLEncoding.EncodeToString([]byte(d)) }, true},
	"base64 of URLs, not padded": {func(d string) string { return base64.RawURLEncoding.EncodeToString([]byte(d)) }, false},
}

// TestWays writes documents in every way that values come in, cuts a member out, and has
// the rest written as the client would have.
func TestWays(t *testing.T) {
	for name, way := range ways {
		for _, token := range []string{"K", "KK", "KKK"} {
			for spaces := range 3 {
				whole, rest, cut := document(token, spaces)
				d, err := Open([]byte(way.write(whole)))
				if err != nil || string(d.JSON) != whole {
					t.Errorf("%s: %+v, %v", name, d, err)
					continue
				}
				got, want := string(d.Without([]Span{cut})), way.write(rest)
				if way.alike {
					got, want = strings.TrimRight(got, "=%3D"), strings.TrimRight(want, "=%3D")
				}
				if got != want {
					t.Errorf("%s:\n got %s\nwant %s", name, got, want)
				}
			}
		}
	}
}

// TestWithoutClues: a value whose characters do not tell how it is written is written on as
// all decoders of forms read it.
func TestWithoutClues(t *testing.T) {
	d, err := Open([]byte(base64.StdEncoding.EncodeToString([]byte(`{"k":12,"aaa":">"}`))))
	if err != nil {
		t.Fatal(err)
	}
	if d.plus || d.escapes {
		t.Fatalf("%s tells", d.raw)
	}
	if got := string(d.Without([]Span{{1, 8}})); got != "eyJhYWEiOiI%2BIn0=" {
		t.Errorf("got %s", got)
	}
}

func TestLineBreaks(t *testing.T) {
	whole, rest, cut := document("K", 0)
	lines := base64.StdEncoding.EncodeToString([]byte(whole))
	lines = lines[:20] + "\r\n" + lines[20:] + "\n"
	d, err := Open([]byte(url.QueryEscape(lines)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(d.Without([]Span{cut})), url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(rest))); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestNoDocument(t *testing.T) {
	for _, raw := range []string{
		"", "a", "1", `"a"`, "true", "%", "%7", "%7B%", "%zz", "api_key", "iak_live_123",
		base64.StdEncoding.EncodeToString([]byte("1")), base64.StdEncoding.EncodeToString([]byte(`"a"`)),
		"eyJhIjoxfQ=", "eyJhIjoxfQ===", "eyJhIjoxfQ==x", "e30=e30=",
		"eyJhIjoxfR==", // with a bit that no encoder sets
		"eyJh IjoxfQ==", "eyJh%20IjoxfQ==", "eyJh.IjoxfQ==",
		"eyI-IjoiPz8/In0=", // two alphabets
	} {
		if d, err := Open([]byte(raw)); !errors.Is(err, ErrNoDocument) {
			t.Errorf("%q: %+v, %v", raw, d, err)
		}
	}
}

// TestPlusSigns: clients leave them as they are, and then they are one thing to some
// decoders and nothing to others.
func TestPlusSigns(t *testing.T) {
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	if _, err := Open([]byte(encode(`{"a":"xx>","b":1}`))); err != nil {
		t.Errorf("one reader only: %v", err)
	}
	both := encode(`{"aaa": "`) + "++++" + encode(`x"}`)
	if _, err := Open([]byte(both)); !errors.Is(err, ErrAmbiguous) {
		t.Errorf("two readers: %v", err)
	}
	if _, err := Open([]byte(strings.ReplaceAll(both, "+", "%2B"))); err != nil {
		t.Errorf("encoded: %v", err)
	}
}
