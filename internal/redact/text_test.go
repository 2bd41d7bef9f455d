package redact

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/drill"
)

const canary = "cAnArY-5a1b9c"

func TestTextRedacts(t *testing.T) {
	n := NewNames()
	n.AddQuery("apiKey", "myKey")
	n.AddHeader("X-Shop-Key")
	far := strings.Repeat("x", 5000)
	own := "iak_live_PublicDemoKeyDoNotUse000000000010ZukjS"
	for text, want := range map[string]string{
		"/track?apiKey=" + canary:                                         "/track?apiKey=REDACTED",
		"/track?a=1&apiKey=" + canary + "&b=2":                            "/track?a=1&apiKey=REDACTED&b=2",
		"/track?a=1;apiKey=" + canary + ";b=2":                            "/track?a=1;apiKey=REDACTED;b=2",
		"/x#?apiKey=" + canary:                                            "/x#?apiKey=REDACTED",
		"/x?APIKEY=" + canary:                                             "/x?APIKEY=REDACTED",
		"/x?%61piKey=" + canary:                                           "/x?%61piKey=REDACTED",
		"/x?%2561piKey=" + canary:                                         "/x?%2561piKey=REDACTED",
		"/x?api_key[]=" + canary:                                          "/x?api_key[]=REDACTED",
		"/x?api.key=" + canary:                                            "/x?api.key=REDACTED",
		"/x?apiKey%00z=" + canary:                                         "/x?apiKey%00z=REDACTED",
		"/x?%zzapiKey=" + canary:                                          "/x?REDACTED",
		"/x?my\u212aey=" + canary:                                         "/x?my\u212aey=REDACTED",
		"apiKey=" + canary + "&x=1":                                       "apiKey=REDACTED&x=1",
		"x=apiKey=" + canary:                                              "x=apiKey=REDACTED",
		"/x?u=%2Fy%3FapiKey%3D" + canary + "&z=1":                         "/x?u=REDACTED&z=1",
		"/x?u=%252Fy%253FapiKey%253D" + canary:                            "/x?u=REDACTED",
		`Get "http://h/x?apiKey=` + canary + `&y=1": EOF`:                 `Get "http://h/x?apiKey=REDACTED&y=1": EOF`,
		`{"token":"` + canary + `","a":1}`:                                `{"token":"REDACTED","a":1}`,
		`{"token" : "` + canary + `\"x","a":1}`:                           `{"token" : "REDACTED","a":1}`,
		`{"tok\u0065n":"` + canary + `"}`:                                 `{"tok\u0065n":"REDACTED"}`,
		`"{\"token\":\"` + canary + `\",\"a\":1}"`:                        `"{\"token\":\"REDACTED\",\"a\":1}"`,
		`{"token":["` + canary + `"]}`:                                    `{"token":["REDACTED"]}`,
		"X-Shop-Key: " + canary + "\r\nA: b":                              "X-Shop-Key: REDACTED\r\nA: b",
		"x_shop.key: " + canary:                                           "x_shop.key: REDACTED",
		"map[X-Shop-Key:[" + canary + "] A:[b]]":                          "map[X-Shop-Key:[REDACTED] A:[b]]",
		"Authorization: Digest " + canary:                                 "Authorization: REDACTED",
		"sent Bearer " + canary + ", sorry":                               "sent Bearer REDACTED, sorry",
		"bearer " + canary:                                                "bearer REDACTED",
		"Basic " + base64.StdEncoding.EncodeToString([]byte("u:"+canary)): "Basic REDACTED",
		"https://user:" + canary + "@host/x":                              "https://REDACTED@host/x",
		"key " + own + " is bad":                                          "key REDACTED is bad",
		`request uri="/x?%61piKey=` + canary + `" failed`:                 `request uri="/x?%61piKey=REDACTED" failed`,
		`{"uri":"/x?%61piKey=` + canary + `","a":1}`:                      `{"uri":"/x?%61piKey=REDACTED","a":1}`,
		`{"token":` + canary + `,"a":1}`:                                  `{"token":REDACTED,"a":1}`,
		`{"token":{"a":"` + canary + `","b":[1]},"c":2}`:                  `{"token":REDACTED,"c":2}`,
		`token = ` + canary + ` x`:                                        `token = REDACTED x`,
		`token=>'` + canary + ` x' y`:                                     `token=>'REDACTED' y`,
		`password="` + canary + ` x`:                                      `password="REDACTED`,
		`token="a"` + canary + ` x`:                                       `token="REDACTED`,
		"renewing token: " + canary + " has expired":                      "renewing token: REDACTED",
		"renewing token: Bearer " + canary:                                "renewing token: Bearer REDACTED",
		"Token: open " + canary:                                           "Token: REDACTED",
		"renewing token: abcdefghijklmnop is it":                          "renewing token: REDACTED",
		"%61piKey=" + canary + "&x=1":                                     "%61piKey=REDACTED&x=1",
		`\x61piKey=` + canary:                                             `\x61piKey=REDACTED`,
		"{apiKey[x]=" + canary:                                            "{apiKey[x]=REDACTED",
		"{apiKey\x00x=" + canary:                                          "{apiKey\x00x=REDACTED",
		"/x?apiKey[" + far + "]=" + canary:                                "/x?apiKey[" + far + "]=REDACTED",
		"/x/bearer+" + canary:                                             "/x/REDACTED",
		`{"token":"x\" ` + canary + `","a":1}`:                            `{"token":"REDACTED","a":1}`,
		`"sent \"Authorization: ` + canary + `\" twice"`:                  `"sent \"Authorization: REDACTED\" twice"`,
		"token::" + canary + " def":                                       "token::REDACTED",
		"renewing token: secretkey":                                       "renewing token: REDACTED",
		"renewing token:\tsecret key":                                     "renewing token:\tREDACTED",
		"token:":                                                          "token:",
		"–apiKey=" + canary:                                               "–apiKey=REDACTED",
		"request.headers.X-Api-Key=" + canary:                             "request.headers.X-Api-Key=REDACTED",
		"see <http://u:" + canary + "@h/>":                                "see <http://REDACTED@h/>",
	} {
		if got := n.Text(text); got != want {
			t.Errorf("Text(%.100q)\n got %.100q\nwant %.100q", text, got, want)
		}
	}
}

func TestTextLeavesTheRest(t *testing.T) {
	n := NewNames()
	c := n.Cleaner(false)
	defer c.Free()
	for _, text := range []string{
		"", "handled request", "/track?x=1&y=a%20b", "http://127.0.0.1:9000/x?monkeys=3&design=4",
		"invalid token: unexpected EOF", `{"event":"a","n":1}`, "basic auth is not set up", "a=b==;c", "%3D%3d%",
		"renewing Vault token: permission denied", "reading secret: open /run/token: no such file",
		"reading api key: unexpected end", `Bearer realm="events", error="invalid_token"`, "Bearer token missing",
		`C:\\users\\token`, "100% of tokens", "mail a@b.example", "// a comment @ home", "Basic: no", "bearer", "a forbearer of news",
		"/x?apiKey=REDACTED&a=1", "https://REDACTED@host/x", `{"token":"REDACTED"}`, "Bearer REDACTED",
		"dial tcp [::1]:9000: connect: connection refused", "dial tcp: lookup auth.example.com: no such host",
		"dial tcp auth-api:8443: connect: connection refused", "GET /v1/tokens:revoke",
		"loading module 'ingest_auth': provision http.handlers.ingest_auth: ingest_auth: remove basic: no such place", "iak_ is the prefix", "at 12:30:00 x=y",
	} {
		if got := n.Text(text); got != text {
			t.Errorf("Text(%q) = %q", text, got)
		}
		if allocs := testing.AllocsPerRun(1000, func() { c.Text(text) }); allocs > 0 {
			t.Errorf("Text(%q): %v allocations", text, allocs)
		}
	}
}

func TestLongTextIsCleanedToo(t *testing.T) {
	long := strings.Repeat("x=1&", 20_000)
	n := NewNames()
	if got, want := n.Query(long+"apiKey="+canary), long+"apiKey=REDACTED"; got != want {
		t.Errorf("got %d bytes, want %d", len(got), len(want))
	}
}

// TestTimeIsLinear: where a name makes everything behind it be looked at, a text takes far
// longer in one piece than in 64.
func TestTimeIsLinear(t *testing.T) {
	n := knowing("some-0ther-key")
	for _, piece := range []string{
		"token:", "token=a;", "token: open ", "token=[", `token="`, `token:\"`, `"token":1,`, "a.", "a.=", "[", "a[=", "iak_", "//",
		"//@", "Bearer ", "Bearer token ", "&token", "&%74oken=", ";", "%25", "%", "+", `\u0074`, `\u0074=`, "/token=", "?a=%zz&", `"`,
		":", "a:", "a1b2c3d4/", "aGVsbG8/", "aGVsbG8gd29ybGQgMTIz", "aGVsbG8gd29ybGQgMTIz.", "a1.", "eyJ.", "sk_live_", `\`, `\`, "a1=",
	} {
		measure := func(repeat, bytes int) time.Duration {
			text := strings.Repeat(piece, bytes/len(piece)) + "="
			start := time.Now()
			for range repeat {
				n.Text(text)
				n.URL(text)
				n.Query(text)
			}
			return time.Since(start)
		}
		size := drill.Size(1<<8, 1<<10)
		short, long := time.Hour, time.Hour
		for try := range 20 { // a busy machine takes longer for either
			if try >= 2 && long <= 8*short {
				break
			}
			short, long = min(short, measure(64, size)), min(long, measure(1, 64*size))
		}
		if long > 8*short {
			t.Errorf("%q: %v in one text, %v in 64", piece, long, short)
		}
	}
}

// TestCleanersKeepNothing looks into the memory that is used again.
func TestCleanersKeepNothing(t *testing.T) {
	for _, size := range []int{100, maxKept + 1} {
		c := &Cleaner{text: make([]byte, size)}
		copy(c.text, canary)
		text := c.text
		c.Free()
		if size > maxKept && cap(c.text) > 0 {
			t.Errorf("%d bytes are kept", cap(c.text))
		}
		if size <= maxKept && strings.Contains(string(text), canary) {
			t.Error("the text is kept")
		}
	}
}
