package copies

import "testing"

// TestLines: the kind is a body that is no JSON as a whole, but holds some: an envelope of
// Sentry, whose items may be files.
func TestLines(t *testing.T) {
	const key = "4f9c21d7e08b43a6b5d2f7108c3e9a61"
	k := Of([]byte(key))
	for _, tc := range []struct {
		name, body, want string
		exact            bool
	}{
		{"member", `{"trace":{"public_key":"` + key + `","a":1}}` + "\n{\"type\":\"event\"}\n{}", `{"trace":{"a":1}}` + "\n{\"type\":\"event\"}\n{}", true},
		{"part of a value", `{"dsn":"https://` + key + `@host/42"}` + "\n{}\n", `{"dsn":"https://@host/42"}` + "\n{}\n", true},
		{"behind a file", "{}\n\x00\xff{\"\n{\"a\":\"" + key + "\"}", "{}\n\x00\xff{\"\n{}", true},
		{"in text", "{}\nfile " + key + " end\r\n", "{}\nfile  end\r\n", true},
		{"in a file", "{}\n\x00\xff" + key + "\n{}", "{}\n{}", false},
	} {
		if !OpensLines([]byte(tc.body)) {
			t.Errorf("%s: is not taken for lines", tc.name)
		}
		if out, exact := k.Lines(tc.body); out != tc.want || exact != tc.exact {
			t.Errorf("%s: %q, %v, want %q, %v", tc.name, out, exact, tc.want, tc.exact)
		}
	}
	for _, body := range []string{"", "{}", "\x00{}\n", "{\n}", "text\n{}", "[1]\n\x00"} {
		if OpensLines([]byte(body)) {
			t.Errorf("%q is taken for lines", body)
		}
	}
}
