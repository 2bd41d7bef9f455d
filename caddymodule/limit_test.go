package caddymodule_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ingestauth/caddy-ingest-auth/internal/await"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// Windows of tests are a year long, so that none ends in the middle of a test.
const (
	year  = "366d"
	keyC  = "canary-CCCC-5d7e9f1a3b"
	keyD  = "canary-DDDD-8c0e2a4b6d"
	reset = "X-Ratelimit-Reset"
)

// limited are the records of limit tests: a and b are of one account, c is of
// another, d of none.
func limited() map[string]gatetest.Record {
	return map[string]gatetest.Record{
		keyA: {"key_id": "key_a", "account": "acme", "resources": map[string][]string{"ds": {"*"}, "env": {"*"}}},
		keyB: {"key_id": "key_b", "account": "acme", "resources": map[string][]string{"ds": {"*"}, "env": {"*"}}},
		keyC: {"key_id": "key_c", "account": "other", "resources": map[string][]string{"ds": {"*"}, "env": {"*"}}},
		keyD: {"key_id": "key_d", "account": nil, "resources": map[string][]string{"ds": {"*"}, "env": {"*"}}},
	}
}

// withApp returns the global options with more settings of the app.
func withApp(settings string) string {
	return strings.Replace(options, "keys file", settings+"\n\t\tkeys file", 1)
}

// startLimits runs a gate with settings of the app and subdirectives.
func startLimits(t testing.TB, app, subdirectives string, handler http.HandlerFunc) (*gatetest.Gate, *gatetest.Upstream) {
	t.Helper()
	up := gatetest.NewUpstream(t, handler)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(limited()))
	g.Run(t, withApp(app)+limitSite(subdirectives))
	return g, up
}

func limitSite(subdirectives string) string {
	return fmt.Sprintf(":{{gate}} {\nlog\ningest_auth {\n%s\n}\nreverse_proxy {{upstream}}\n}\n", subdirectives)
}

// get is a GET of path with a key.
func get(path, key string) gatetest.Request {
	return gatetest.Request{Target: path, Header: http.Header{"X-Api-Key": {key}}}
}

func postJSON(path, key, body string) gatetest.Request {
	return gatetest.Request{Target: path, Body: body, Header: http.Header{"X-Api-Key": {key}, "Content-Type": {"application/json"}}}
}

// wantRemaining sends a request and checks its status and X-RateLimit-Remaining.
func wantRemaining(t *testing.T, g *gatetest.Gate, req gatetest.Request, status int, remaining string) gatetest.Response {
	t.Helper()
	resp := g.Do(t, req)
	if got := strings.Join(resp.Header["X-Ratelimit-Remaining"], ","); resp.Status != status || got != remaining {
		t.Errorf("%s: status %d, remaining %q, want %d and %q: %s", req.Target, resp.Status, got, status, remaining, resp.Body)
	}
	return resp
}

func TestLimitDimensions(t *testing.T) {
	from := func(req gatetest.Request, ip string) gatetest.Request {
		req.Header.Set("X-Forwarded-For", ip)
		return req
	}
	method := func(req gatetest.Request, m string) gatetest.Request { req.Method = m; return req }
	ds := "resource ds path /v1/{ds}/*\n"
	for _, tc := range []struct {
		name          string
		subdirectives string
		charged       gatetest.Request
		same, other   []gatetest.Request // counted with the first, and apart
	}{
		{"key", "limit 9/" + year + " by key", get("/", keyA), []gatetest.Request{get("/x", keyA)}, []gatetest.Request{get("/", keyB)}},
		{
			"account", "limit 9/" + year + " by account",
			get("/", keyA),
			[]gatetest.Request{get("/", keyB)},
			[]gatetest.Request{get("/", keyC), get("/", keyD)},
		},
		{
			"ip", "limit 9/" + year + " by ip", from(get("/", keyA), "192.0.2.1"),
			[]gatetest.Request{from(get("/", keyC), "192.0.2.1"), from(get("/", keyC), "::ffff:192.0.2.1")},
			[]gatetest.Request{from(get("/", keyA), "192.0.2.2"), from(get("/", keyA), "2001:db8::1")},
		},
		{
			"ip, version 6", "limit 9/" + year + " by ip", from(get("/", keyA), "2001:db8::1"),
			[]gatetest.Request{from(get("/", keyA), "2001:db8::ffff:1"), from(get("/", keyA), "2001:0db8:0:0:a::")},
			[]gatetest.Request{from(get("/", keyA), "2001:db8:0:1::1")},
		},
		{
			"route", ds + "limit 9/" + year + " by route", get("/v1/a/x", keyA),
			[]gatetest.Request{get("/v1/b/y?z=1", keyC)},
			[]gatetest.Request{method(get("/v1/a/x", keyA), "DELETE"), method(get("/v1/a/x", keyA), "MADEUP")},
		},
		{
			"route with a method of the client's own", "limit 9/" + year + " by route", method(get("/", keyA), "MADEUP"),
			[]gatetest.Request{method(get("/", keyA), "OTHERWISE")},
			nil,
		},
		{
			"resource in the path", ds + "limit 9/" + year + " by ds", get("/v1/a/x", keyA),
			[]gatetest.Request{get("/v1/a/y", keyC)},
			[]gatetest.Request{get("/v1/b/x", keyA)},
		},
		{
			"resource in the query", "resource ds query id\nlimit 9/" + year + " by ds", get("/?id=1", keyA),
			[]gatetest.Request{get("/?x=2&id=1", keyA)},
			[]gatetest.Request{get("/?id=2", keyA)},
		},
		{
			"combination", ds + "limit 9/" + year + " by ds key", get("/v1/a/x", keyA),
			[]gatetest.Request{get("/v1/a/y", keyA)},
			[]gatetest.Request{get("/v1/b/x", keyA), get("/v1/a/x", keyB)},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
			g.Write(t, "keys.json", gatetest.Keys(limited()))
			trusting := strings.Replace(options, "protocols h1 h2c", "protocols h1 h2c\n\t\ttrusted_proxies static 127.0.0.1/32", 1)
			g.Run(t, trusting+limitSite(tc.subdirectives))
			wantRemaining(t, g, tc.charged, 200, "8")
			for i, req := range tc.same {
				wantRemaining(t, g, req, 200, strconv.Itoa(7-i))
			}
			for _, req := range tc.other {
				wantRemaining(t, g, req, 200, "8")
			}
		})
	}
}

func TestLimitBySpoofedIP(t *testing.T) {
	// Attack: X-Forwarded-* spoofed.
	g, _ := startLimits(t, "", "limit 9/"+year+" by ip", nil)
	for i := range 3 {
		req := get("/", keyA)
		req.Header.Set("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i))
		wantRemaining(t, g, req, 200, strconv.Itoa(8-i))
	}
}

func TestLimitValuesOfABody(t *testing.T) {
	g, _ := startLimits(t, "", "resource ds body ds\nresource env body env\nlimit 9/"+year+" by ds env", nil)
	wantRemaining(t, g, postJSON("/", keyA, `[{"ds":"1","env":"p"},{"ds":"2","env":"p"}]`), 200, "8")
	// Every combination was charged once, whatever else is in the body.
	wantRemaining(t, g, postJSON("/", keyA, `[{"ds":"2","env":"p"},{"ds":"3","env":"p"}]`), 200, "7")
	wantRemaining(t, g, postJSON("/", keyA, `{"ds":"1","env":"p"}`), 200, "7")
	wantRemaining(t, g, postJSON("/", keyA, `{"ds":"3","env":"p"}`), 200, "7")
	wantRemaining(t, g, postJSON("/", keyA, `{"ds":"3","env":"q"}`), 200, "8")

	var many []string
	for i := range 60 {
		many = append(many, fmt.Sprintf(`{"ds":"d%d","env":"e%d"}`, i, i))
	}
	resp := wantRemaining(t, g, postJSON("/", keyA, "["+strings.Join(many, ",")+"]"), 400, "")
	if !strings.Contains(resp.Body, `"too_many_values"`) {
		t.Errorf("body %s", resp.Body)
	}
}

func TestLimitOverriddenByRecord(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	records := limited()
	records[keyA]["limits"] = map[string]string{"key": "100/" + year, "daily": "3/" + year, "other": "1/1m"}
	g.Write(t, "keys.json", gatetest.Keys(records))
	g.Run(t, options+limitSite("limit 9/"+year+" by key\nlimit daily 50/"+year+" by key ip"))
	wantRemaining(t, g, get("/", keyA), 200, "2")
	wantRemaining(t, g, get("/", keyB), 200, "8")
}

func TestLimitAllOrNone(t *testing.T) {
	g, up := startLimits(t, "", "limit 9/"+year+" by account\nlimit 2/"+year+" by key", nil)
	for range 2 {
		wantStatus(t, g, get("/", keyA), 200)
	}
	for range 5 {
		wantRemaining(t, g, get("/", keyA), 429, "0")
	}
	// The account has paid for two requests of key a, not for seven.
	up.Take()
	wantRemaining(t, g, get("/", keyB), 200, "1")
	resp := wantRemaining(t, g, get("/", keyB), 200, "0")
	if resp.Header.Get("X-Ratelimit-Limit") != "2" || len(up.Take()) != 2 {
		t.Errorf("%v", resp.Header)
	}
	for i := range 5 {
		if resp := g.Do(t, postJSON("/", keyB, `{}`)); resp.Status != 429 {
			t.Errorf("request %d: %d", i, resp.Status)
		}
	}
	if n := len(up.Take()); n != 0 {
		t.Errorf("backend saw %d requests that were refused", n)
	}
}

// wantStatus sends a request and checks its status.
func wantStatus(t *testing.T, g *gatetest.Gate, req gatetest.Request, status int) gatetest.Response {
	t.Helper()
	resp := g.Do(t, req)
	if resp.Status != status {
		t.Errorf("%s: status %d, want %d: %s", req.Target, resp.Status, status, resp.Body)
	}
	return resp
}

func TestLimitHeaders(t *testing.T) {
	g, _ := startLimits(t, "", "limit 50/"+year+" by key\nlimit tight 30/"+year+" by account", func(w http.ResponseWriter, r *http.Request) {
		for _, name := range []string{"X-RateLimit-Limit", "x-ratelimit-remaining", "X-RateLimit-Reset"} {
			w.Header().Set(name, "upstream")
		}
		w.Header().Set("Retry-After", "upstream")
		switch r.URL.Path {
		case "/early":
			w.WriteHeader(http.StatusEarlyHints)
		case "/flush":
			w.(http.Flusher).Flush()
		case "/empty":
			return
		}
		if status, err := strconv.Atoi(r.URL.Path[1:]); err == nil {
			w.WriteHeader(status)
		}
		_, _ = io.WriteString(w, strings.Repeat("ok", 5000))
	})
	for i, tc := range []struct {
		path   string
		status int
	}{{"/200", 200}, {"/301", 301}, {"/404", 404}, {"/500", 500}, {"/503", 503}, {"/early", 200}, {"/flush", 200}, {"/empty", 200}} {
		for j, framing := range []gatetest.Framing{gatetest.Length, gatetest.HTTP2} {
			req := get(tc.path, keyA)
			req.Framing = framing
			resp := wantRemaining(t, g, req, tc.status, strconv.Itoa(29-2*i-j))
			want := map[string]string{"X-Ratelimit-Limit": "30", reset: yearEnd(), "Retry-After": "upstream"}
			for name, value := range want {
				if got := resp.Header[name]; len(got) != 1 || got[0] != value {
					t.Errorf("%s %s: %s is %q, want %q", framing, tc.path, name, got, value)
				}
			}
		}
	}
}

// yearEnd is the end of the present window of a year, in Unix seconds.
func yearEnd() string {
	const window = 366 * 24 * 3600
	now := time.Now().Unix()
	return strconv.FormatInt(now-now%window+window, 10)
}

func TestLimitHeadersWithoutUpstream(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(limited()))
	g.Run(t, options+`:{{gate}} {
	ingest_auth {
		limit 9/`+year+` by key
	}
	respond /respond ok
	error /error 418
	reverse_proxy /down 127.0.0.1:1
	encode
	respond /placeholders "{http.ingest_auth.limit.name} {http.ingest_auth.limit.limit} {http.ingest_auth.limit.remaining} {http.ingest_auth.limit.reset} {http.ingest_auth.key_id}"
	handle_errors {
		respond "failed"
	}
}
`)
	wantRemaining(t, g, get("/respond", keyA), 200, "8")
	wantRemaining(t, g, get("/error", keyA), 418, "7")
	wantRemaining(t, g, get("/down", keyA), 502, "6")
	wantRemaining(t, g, get("/nothing", keyA), 200, "5")
	resp := wantRemaining(t, g, get("/placeholders", keyA), 200, "4")
	if got, want := resp.Body, "key 9 4 "+yearEnd()+" key_a"; got != want {
		t.Errorf("placeholders %q, want %q", got, want)
	}
}

func TestUncountedRequestsHaveNoLimitHeaders(t *testing.T) {
	g, _ := startLimits(t, "", "scope s\nlimit 9/"+year+" by key\npass_preflights", nil)
	preflight := gatetest.Request{Method: "OPTIONS", Target: "/", Header: http.Header{"Origin": {"https://example.com"}, "Access-Control-Request-Method": {"POST"}}}
	wantRemaining(t, g, preflight, 200, "")
	wantRemaining(t, g, get("/", "unknown-key"), 401, "")
	wantRemaining(t, g, gatetest.Request{Target: "/"}, 401, "")
}

// TestRefusedRequestsSayHowLimitsStand: they take nothing, and tell nothing of
// resources that are not the key's.
func TestRefusedRequestsSayHowLimitsStand(t *testing.T) {
	records := map[string]gatetest.Record{
		keyA: {"key_id": "key_a", "resources": map[string][]string{"ds": {"d1"}}},
		keyB: {"key_id": "key_b", "resources": map[string][]string{"ds": {"*"}}, "revoked_at": "2026-01-01T00:00:00Z"},
	}
	g, _ := start(t, "resource ds path /{ds}\nbody_shape array\nlimit 9/"+year+" by ds route", records)
	post := func(path, key, body string) gatetest.Request { return postJSON(path, key, body) }
	wantRemaining(t, g, post("/d1", keyA, `[1]`), 200, "8")
	wantRemaining(t, g, post("/d1", keyA, `{}`), 400, "8")
	wantRemaining(t, g, post("/d1", keyA, `[`), 400, "8")
	wantRemaining(t, g, post("/d2", keyA, `[1]`), 404, "")
	wantRemaining(t, g, post("/d1", keyB, `[1]`), 401, "")
	wantRemaining(t, g, post("/d1", keyA, `[1]`), 200, "7")
}

// TestLimitHeaderStyles: there are clients that take X-RateLimit-Reset for a time, and such
// that take it for seconds. The error body says a time in every style.
func TestLimitHeaderStyles(t *testing.T) {
	const usual = "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After"
	inSeconds := func(text string) bool {
		n, err := strconv.ParseInt(text, 10, 64)
		return err == nil && n > 0 && n <= 366*24*3600
	}
	inUnix := func(text string) bool { return text == yearEnd() }
	for style, want := range map[string]struct {
		reset   func(string) bool // nil: the headers are the backend's, if any
		ietf    bool
		exposed string
	}{
		"":                      {inUnix, false, usual},
		"limit_headers unix":    {inUnix, false, usual},
		"limit_headers seconds": {inSeconds, false, usual},
		"limit_headers ietf":    {inUnix, true, usual + ", RateLimit, RateLimit-Policy"},
		"limit_headers off":     {nil, false, "Retry-After"},
	} {
		t.Run(style, func(t *testing.T) {
			g, _ := startLimits(t, "", "cors "+app+"\nlimit 1/"+year+" by key\n"+style, func(w http.ResponseWriter, _ *http.Request) {
				for _, name := range []string{"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset"} {
					w.Header().Set(name, "backend")
				}
			})
			for i, status := range []int{200, 429} {
				req := get("/", keyA)
				req.Header.Set("Origin", app)
				resp := wantStatus(t, g, req, status)
				h := resp.Header
				var backend []string
				if status == 200 {
					backend = []string{"backend"}
				}
				switch got := h.Get(reset); {
				case want.reset == nil:
					for _, name := range []string{"X-Ratelimit-Limit", "X-Ratelimit-Remaining", reset} {
						if !slices.Equal(h[name], backend) {
							t.Errorf("%d: %s is %q, want %q", status, name, h[name], backend)
						}
					}
				case !want.reset(got) || len(h[reset]) != 1 || h.Get("X-Ratelimit-Limit") != "1" || h.Get("X-Ratelimit-Remaining") != "0":
					t.Errorf("%d: %v", status, h)
				}
				if got := h.Get("Ratelimit") != "" && h.Get("Ratelimit-Policy") != ""; got != want.ietf {
					t.Errorf("%d: RateLimit headers %t", status, got)
				}
				if got := h.Get("Access-Control-Expose-Headers"); got != want.exposed {
					t.Errorf("%d: exposed %s, want %s", status, got, want.exposed)
				}
				if retry := h.Get("Retry-After"); inSeconds(retry) != (i == 1) {
					t.Errorf("%d: Retry-After %q", status, retry)
				}
				if i == 1 && !strings.Contains(resp.Body, `"resetTime":`+yearEnd()+`}`) {
					t.Errorf("body %s", resp.Body)
				}
			}
		})
	}
}

func TestLimitHeadersIETF(t *testing.T) {
	g, _ := startLimits(t, "", "limit 9/"+year+" by key\nlimit daily 50/1d by account\nlimit_headers ietf", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("RateLimit", `"upstream";r=1`)
		w.Header().Set("RateLimit-Policy", `"upstream";q=1`)
	})
	resp := wantRemaining(t, g, get("/", keyA), 200, "8")
	if got, want := strings.Join(resp.Header["Ratelimit-Policy"], "|"), `"key";q=9;w=31622400, "daily";q=50;w=86400`; got != want {
		t.Errorf("RateLimit-Policy %s, want %s", got, want)
	}
	var rest [2]int
	got := strings.Join(resp.Header["Ratelimit"], "|")
	if _, err := fmt.Sscanf(got, `"key";r=8;t=%d, "daily";r=49;t=%d`, &rest[0], &rest[1]); err != nil || rest[0] <= 0 || rest[1] <= 0 || rest[1] > 86400 {
		t.Errorf("RateLimit %s: %v", got, err)
	}
}

func TestLimitErrorFormats(t *testing.T) {
	end := yearEnd()
	for _, tc := range []struct {
		name, subdirectives, errors, contentType, body string
	}{
		{"json", "", "", "application/json", `{"error":"Rate limit exceeded","code":"rate_limited","limit":2,"remaining":0,"resetTime":` + end + `}`},
		{"problem", "errors problem", "", "application/problem+json", `{"type":"about:blank","title":"Too Many Requests","status":429,"detail":"Rate limit exceeded","code":"rate_limited","limit":2,"remaining":0,"resetTime":` + end + `}`},
		{
			"template", "error 429 text/plain `{http.ingest_auth.error}/{http.ingest_auth.code}/{http.ingest_auth.limit.name}/{http.ingest_auth.limit.limit}/{http.ingest_auth.limit.remaining}/{http.ingest_auth.limit.reset}/{http.ingest_auth.key_id}/{http.ingest_auth.limit.colour}`",
			"", "text/plain", "Rate limit exceeded/rate_limited/key/2/0/" + end + "/key_a/{http.ingest_auth.limit.colour}",
		},
		{"caddy", "errors caddy", "handle_errors {\nrespond \"{err.status_code} {http.ingest_auth.limit.limit}\"\n}", "text/plain; charset=utf-8", "429 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := gatetest.NewUpstream(t, nil)
			g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
			g.Write(t, "keys.json", gatetest.Keys(limited()))
			g.Run(t, options+fmt.Sprintf(":{{gate}} {\ningest_auth {\nlimit 2/%s by key\n%s\n}\nreverse_proxy {{upstream}}\n%s\n}\n", year, tc.subdirectives, tc.errors))
			for range 2 {
				wantStatus(t, g, get("/", keyA), 200)
			}
			before := time.Now().Unix()
			resp := wantRemaining(t, g, get("/", keyA), 429, "0")
			if resp.Body != tc.body || resp.Header.Get("Content-Type") != tc.contentType {
				t.Errorf("%s %s, want %s %s", resp.Header.Get("Content-Type"), resp.Body, tc.contentType, tc.body)
			}
			retry, _ := strconv.ParseInt(resp.Header.Get("Retry-After"), 10, 64)
			if ends, _ := strconv.ParseInt(end, 10, 64); retry < ends-before-60 || retry > ends-before {
				t.Errorf("Retry-After %d, want about %d", retry, ends-before)
			}
			if resp.Header.Get("X-Ratelimit-Limit") != "2" || resp.Header.Get(reset) != end {
				t.Errorf("%v", resp.Header)
			}
		})
	}
}

func TestLimitCost(t *testing.T) {
	// The gate looks at bodies for nothing but their items.
	g, _ := startLimits(t, "", "credential header X-API-Key\nlimit 20/"+year+" by key cost body_items\nlimit requests 20/"+year+" by account\nmax_items 10", nil)
	lines := postJSON("/", keyA, "{}\n{}\n{}\n")
	lines.Header.Set("Content-Type", "application/x-ndjson")
	binary := postJSON("/", keyA, "[1,2,3]")
	binary.Header.Set("Content-Type", "image/png")
	for _, tc := range []struct {
		name      string
		req       gatetest.Request
		status    int
		remaining string
	}{
		{"array", postJSON("/", keyA, `[{},{},{"a":[1,2,3]}]`), 200, "17"},
		{"lines", lines, 200, "14"},
		{"object", postJSON("/", keyA, `{"a":[1,2,3]}`), 200, "13"},
		{"empty array", postJSON("/", keyA, `[]`), 200, "12"},
		{"no body", get("/", keyA), 200, "11"},
		{"not looked at", binary, 415, "11"},
		{"most items", postJSON("/", keyA, `[1,2,3,4,5,6,7,8,9,10]`), 200, "1"},
		{"over the limit", postJSON("/", keyA, `[1,2]`), 429, "1"},
	} {
		if resp := wantRemaining(t, g, tc.req, tc.status, tc.remaining); t.Failed() {
			t.Fatalf("%s: %s", tc.name, resp.Body)
		}
	}
	resp := wantRemaining(t, g, postJSON("/", keyC, `[1,2,3,4,5,6,7,8,9,10,11]`), 400, "20")
	if !strings.Contains(resp.Body, `"code":"too_many_items"`) {
		t.Errorf("body %s", resp.Body)
	}
	// What does not fit costs nothing.
	wantRemaining(t, g, postJSON("/", keyB, `[1,2,3,4,5,6,7,8,9]`), 200, "11")
	wantRemaining(t, g, postJSON("/", keyB, `[1,2,3,4,5,6,7,8,9,10]`), 200, "1")
	resp = wantRemaining(t, g, postJSON("/", keyB, `[1,2]`), 429, "1")
	if !strings.Contains(resp.Body, `"remaining":1,`) {
		t.Errorf("body %s", resp.Body)
	}
	wantRemaining(t, g, postJSON("/", keyB, `[1]`), 200, "0")
}

func TestInFlight(t *testing.T) {
	entered, leave := make(chan bool), make(chan bool)
	handler := func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered <- true
			<-leave
		}
	}
	g, _ := startLimits(t, "", "in_flight 2 by account\nlimit 9/"+year+" by key", handler)
	slow := make(chan gatetest.Response)
	for _, key := range []string{keyA, keyB} {
		go func() {
			resp, _ := g.Try(get("/slow", key))
			slow <- resp
		}()
		<-entered
	}
	for range 3 {
		resp := wantRemaining(t, g, get("/", keyA), 429, "")
		var body map[string]any
		if err := json.Unmarshal([]byte(resp.Body), &body); err != nil || len(body) != 2 || body["code"] != "too_many_in_flight" || resp.Header.Get("Retry-After") != "1" {
			t.Errorf("%v %s", resp.Header, resp.Body)
		}
	}
	wantRemaining(t, g, get("/", keyC), 200, "8")
	for range 2 {
		leave <- true
		if resp := <-slow; resp.Status != 200 {
			t.Errorf("status %d", resp.Status)
		}
	}
	// Those refused for being too many cost nothing.
	wantRemaining(t, g, get("/", keyA), 200, "7")
	// Refused by another limit, or ended in an error, a request is not in flight.
	for range 8 {
		g.Do(t, get("/", keyA))
	}
	wantRemaining(t, g, get("/", keyA), 429, "0")
	wantRemaining(t, g, get("/", keyB), 200, "7")
}

// reload loads another configuration and waits until the old one has let go of
// the port: a connection that it has not accepted by then is reset.
func reload(t *testing.T, g *gatetest.Gate, caddyfile string) {
	t.Helper()
	if err := g.Load(caddyfile); err != nil {
		t.Fatal(err)
	}
	await.That(t, "the new configuration", func() bool { _, err := g.Try(gatetest.Request{Target: "/"}); return err == nil })
}

func TestCountersSurviveReload(t *testing.T) {
	g, up := startLimits(t, "", "limit 9/"+year+" by key\nlimit_failures 3/"+year+" by ip", nil)
	wantRemaining(t, g, get("/", keyA), 200, "8")
	wantStatus(t, g, get("/", "unknown"), 401)
	for _, site := range []string{
		options + limitSite("limit 7/"+year+" by key\nlimit_failures 3/"+year+" by ip\nmax_body 2MiB"),
		withApp("buffer_memory 8MiB") + limitSite("limit 6/"+year+" by key\nlimit_failures 3/"+year+" by ip"),
	} {
		reload(t, g, site)
		wantRemaining(t, g, get("/", keyA), 200, map[bool]string{true: "5", false: "3"}[strings.Contains(site, "limit 7")])
		wantStatus(t, g, get("/", "unknown"), 401)
	}
	wantStatus(t, g, get("/", keyA), 429) // three failures from this address
	up.Take()
}

func TestGatesShareLimitsOfOneName(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(limited()))
	gate := "{\nlimit 9/" + year + " by key\n}\n"
	g.Run(t, options+":{{gate}} {\nroute /a* {\ningest_auth "+gate+"}\nroute /b* {\ningest_auth "+gate+"}\nroute /c* {\ningest_auth "+
		strings.Replace(gate, "limit", "limit apart", 1)+"}\nreverse_proxy {{upstream}}\n}\n")
	wantRemaining(t, g, get("/a", keyA), 200, "8")
	wantRemaining(t, g, get("/b", keyA), 200, "7")
	wantRemaining(t, g, get("/c", keyA), 200, "8")
}

func TestLimitedUpgradeAndStream(t *testing.T) {
	g, _ := startLimits(t, "", "limit 9/"+year+" by key", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			return
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-RateLimit-Limit: upstream\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	})
	conn, err := net.Dial("tcp", g.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: gate\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"+withKey+"\r\n\r\n")
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("X-Ratelimit-Limit") != "9" {
		t.Fatalf("%v, %v", resp, err)
	}
	_, _ = io.WriteString(conn, "hello\n")
	if line, err := r.ReadString('\n'); line != "hello\n" {
		t.Errorf("echo %q, %v", line, err)
	}
}

func TestLimitCostOfABatch(t *testing.T) {
	g, _ := start(t, "limit 20/"+year+" by key cost body_items in events", map[string]gatetest.Record{keyA: {}})
	for _, tc := range []struct {
		body      string
		status    int
		remaining string
	}{
		{`{"events":[{},{"a":[1,2]},{}]}`, 200, "17"},
		{`{"events":[]}`, 200, "16"},
		{`{"a":1}`, 200, "15"},
		{`{"events":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16]}`, 429, "15"},
		{`{"events":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15]}`, 200, "0"},
	} {
		wantRemaining(t, g, postJSON("/", keyA, tc.body), tc.status, tc.remaining)
	}
}
