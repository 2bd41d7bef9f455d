package caddymodule_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

// raw makes an HTTP/1.1 request with these header lines.
func raw(requestLine string, lines ...string) string {
	return requestLine + " HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n" + strings.Join(lines, "\r\n") + "\r\n\r\n"
}

const withKey = "Authorization: Bearer " + keyA

// forged is what an attacker would like the backend to believe.
const forged = "forged-identity"

func TestAttackSpoofedIdentity(t *testing.T) { testSpoofedIdentity(t, "pass_preflights") }

func TestAttackSpoofedIdentityInReportMode(t *testing.T) {
	testSpoofedIdentity(t, "enforce off\npass_preflights")
}

func testSpoofedIdentity(t *testing.T, subdirectives string) {
	// The allowlist lets the aliases through to handlers, as older versions of
	// Caddy do without one.
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {"key_id": "key_a"}}))
	site := strings.Replace(options, "protocols h1 h2c", "protocols h1 h2c\n\t\texpected_underscore_headers X_Ingest_Identity x_ingest_identity\n\t\texpected_dot_headers X.Ingest.Identity", 1)
	site = strings.Replace(site, "keys file", "sign {\n header x-INGEST-identity\n}\nkeys file", 1)
	g.Run(t, site+":{{gate}} {\nlog\ningest_auth {\n"+subdirectives+"\n}\nreverse_proxy {{upstream}}\n}\n")

	for _, name := range []string{
		"X-Ingest-Identity", "x-ingest-identity", "X-INGEST-IDENTITY", "X_Ingest_Identity", "x_ingest_identity",
		"X.Ingest.Identity", "X_Ingest-Identity", "x.ingest_identity",
	} {
		t.Run("client sends the identity header itself: "+name, func(t *testing.T) {
			resp := g.Raw(t, "GET", raw("GET /", withKey, name+": "+forged))
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("status %d", resp.StatusCode)
			}
			checkIdentity(t, up.One(t))
		})
		t.Run("on a preflight, which has no identity: "+name, func(t *testing.T) {
			g.Raw(t, "OPTIONS", raw("OPTIONS /", "Origin: https://example.com", "Access-Control-Request-Method: POST", name+": "+forged))
			if seen := up.One(t).String(); strings.Contains(seen, forged) {
				t.Errorf("backend saw the forged header:\n%s", seen)
			}
		})
	}
	t.Run("as a trailer of a preflight", func(t *testing.T) {
		g.Raw(t, "OPTIONS", strings.Replace(chunkedWithTrailer("image/png", "x", "X-Ingest-Identity", true), "POST / HTTP/1.1",
			"OPTIONS / HTTP/1.1\r\nOrigin: https://example.com\r\nAccess-Control-Request-Method: POST", 1))
		if seen := up.One(t).String(); strings.Contains(seen, forged) {
			t.Errorf("backend saw the forged trailer:\n%s", seen)
		}
	})
	for _, name := range []string{"X-Ingest-Identity", "x-ingest-identity", "X-INGEST-IDENTITY"} {
		t.Run("Connection: "+name, func(t *testing.T) {
			g.Raw(t, "GET", "GET / HTTP/1.1\r\nHost: gate\r\nConnection: close, "+name+"\r\n"+withKey+"\r\n\r\n")
			checkIdentity(t, up.One(t))
		})
	}
	for _, body := range []string{`{"a":1}`, "binary"} {
		contentType := map[bool]string{true: "application/json", false: "image/png"}[body[0] == '{']
		for _, name := range []string{"X-Ingest-Identity", "X_Ingest_Identity", "X.Ingest.Identity"} {
			for _, announced := range []bool{true, false} {
				t.Run(fmt.Sprintf("as a trailer: %s, %s, announced %t", name, contentType, announced), func(t *testing.T) {
					g.Raw(t, "POST", chunkedWithTrailer(contentType, body, name, announced))
					checkIdentity(t, up.One(t))
				})
			}
		}
		t.Run("as an HTTP/2 trailer, "+contentType, func(t *testing.T) {
			resp := g.Do(t, gatetest.Request{
				Framing: gatetest.HTTP2, Target: "/", Body: body,
				Header:  http.Header{"Content-Type": {contentType}, "Authorization": {"Bearer " + keyA}},
				Trailer: http.Header{"X-Ingest-Identity": {forged}, "X-Sum": {"1"}},
			})
			if resp.Status != http.StatusOK {
				t.Fatalf("status %d", resp.Status)
			}
			checkIdentity(t, up.One(t))
		})
	}
}

func chunkedWithTrailer(contentType, body, name string, announced bool) string {
	lines := []string{withKey, "Content-Type: " + contentType, "Transfer-Encoding: chunked"}
	if announced {
		lines = append(lines, "Trailer: "+name+", X-Sum")
	}
	return strings.TrimSuffix(raw("POST /", lines...), "\r\n") + fmt.Sprintf("\r\n%x\r\n%s\r\n0\r\n%s: %s\r\nX-Sum: 1\r\n\r\n", len(body), body, name, forged)
}

func checkIdentity(t *testing.T, seen gatetest.Seen) {
	t.Helper()
	if strings.Contains(seen.String(), forged) {
		t.Errorf("backend saw the forged header:\n%s", seen)
	}
	if values := seen.Header["X-Ingest-Identity"]; len(values) != 1 {
		t.Fatalf("identity header: %d values", len(values))
	}
	if id := gatetest.Claims(t, seen.Header.Get("X-Ingest-Identity"))["key_id"]; id != "key_a" {
		t.Errorf("key_id %v", id)
	}
}

// attack is a request and what may come of it.
type attack struct {
	name    string
	request string
	status  int    // 0: any
	body    string // what the backend must see, if the status is 200 and this is set
	target  string // likewise
}

// run sends the attacks and checks that no key gets to the backend.
func runAttacks(t *testing.T, g *gatetest.Gate, up *gatetest.Upstream, attacks []attack) {
	t.Helper()
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			method, _, _ := strings.Cut(a.request, " ")
			resp := g.Raw(t, method, a.request)
			text, _ := io.ReadAll(resp.Body)
			if a.status != 0 && resp.StatusCode != a.status {
				t.Errorf("status %d, want %d: %s", resp.StatusCode, a.status, text)
			}
			for _, seen := range up.Take() {
				if strings.Contains(seen.String(), "canary") {
					t.Errorf("backend saw a key:\n%.2000s", seen)
				}
				if a.body != "" && seen.Body != a.body {
					t.Errorf("body %q, want %q", seen.Body, a.body)
				}
				if a.target != "" && seen.URI != a.target {
					t.Errorf("target %q, want %q", seen.URI, a.target)
				}
			}
		})
	}
}

func TestAttackHeaders(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential header x-auth-USER\nconflict reject", map[string]gatetest.Record{keyA: {}, keyB: {}})
	get := func(lines ...string) string { return raw("GET /", lines...) }
	runAttacks(t, g, up, []attack{
		{"configured header name not canonical (x-auth-USER)", get("X-Auth-User: " + keyA), 200, "", ""},
		{"configured header name not canonical, sent as configured", get("x-auth-USER: " + keyA), 200, "", ""},
		{"repeated credential headers, different", get("X-Auth-User: "+keyA, "X-Auth-User: "+keyB), 400, "", ""},
		{"repeated credential headers, the same", get("X-Auth-User: "+keyA, "x-auth-user: "+keyA), 200, "", ""},
		{"comma-joined values, different", get("X-Auth-User: " + keyA + ", " + keyB), 400, "", ""},
		{"comma-joined values, the same", get("X-Auth-User: " + keyA + "," + keyA), 200, "", ""},
		{"comma-joined bearer, different", get(withKey + ", Bearer " + keyB), 400, "", ""},
		{"bearer twice, different", get(withKey, "Authorization: bearer "+keyB), 400, "", ""},
		{"bearer with two spaces (RFC 9110, 11.4)", get("Authorization: Bearer  " + keyA), 200, "", ""},
		{"bearer in odd case", get("Authorization: bEaReR " + keyA), 200, "", ""},
		{"bearer with a character that no token has", get("Authorization: Bearer " + keyA + `"x`), 401, "", ""},
		{"bearer with a wrong one in the other header", get(withKey, "X-Auth-User: x"), 400, "", ""},
		{"{env.HOME} in a credential", get("Authorization: Bearer {env.HOME}"), 401, "", ""},
		{"credential header as a trailer", "POST / HTTP/1.1\r\nHost: gate\r\nConnection: close\r\n" + withKey +
			"\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\nTrailer: X-Auth-User\r\n\r\n1\r\na\r\n0\r\nX-Auth-User: " + keyB + "\r\n\r\n", 200, "a", ""},
	})
}

func TestAttackAuthorizationOfOtherSchemeStays(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential header X-API-Key", map[string]gatetest.Record{keyA: {}})
	g.Raw(t, "GET", raw("GET /", "X-API-Key: "+keyA, "Authorization: Digest username=x"))
	if got := up.One(t).Header.Get("Authorization"); got != "Digest username=x" {
		t.Errorf("Authorization: %q", got)
	}
}

func TestAttackQuery(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential query apiKey", map[string]gatetest.Record{keyA: {}, keyB: {}})
	get := func(target string) string { return raw("GET " + target) }
	many := strings.Repeat("a=1&", 10_000)
	encoded := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
		return b.String()
	}
	runAttacks(t, g, up, []attack{
		{"?a=1;apiKey=K", get("/x?a=1;apiKey=" + keyA), 200, "", "/x?a=1"},
		{"apiKey=%zz", get("/x?apiKey=%zz" + keyA), 400, "", ""},
		{"apiKey=%zz beside a good one", raw("GET /x?apiKey=%zz"+keyB, withKey), 400, "", ""},
		{"%61piKey=K", get("/x?%61piKey=" + keyA), 200, "", "/x"},
		{"all of the name and the value encoded", get("/x?" + encoded("apiKey") + "=" + encoded(keyA)), 200, "", "/x"},
		{"repeats, the same", get("/x?apiKey=" + keyA + "&b=2&apiKey=" + keyA), 200, "", "/x?b=2"},
		{"repeats, different", get("/x?apiKey=" + keyA + "&apiKey=" + keyB), 400, "", ""},
		{"other case", get("/x?APIKEY=" + keyA + "&b=%2f+1"), 200, "", "/x?b=%2f+1"},
		{"a name cut by NUL", get("/x?apiKey%00=" + keyA), 400, "", ""},
		{"an array", get("/x?apiKey[]=" + keyA), 400, "", ""},
		{"a query that cannot be parsed", get("/x?%zzapiKey=" + keyA), 400, "", ""},
		{"10,001 query parameters, key last", get("/x?" + many + "apiKey=" + keyA), 200, "", "/x?" + strings.TrimSuffix(many, "&")},
		{"a fragment before the query", get("/x#?apiKey=" + keyA), 200, "", ""},
		{"an absolute URL", raw("GET http://gate/x?apiKey=" + keyA), 200, "", "/x"},
		{"{env.HOME} in a query", get("/x?apiKey={env.HOME}"), 401, "", ""},
		{"empty, beside a good one", raw("GET /x?apiKey=&b=1", withKey), 200, "", "/x?b=1"},
		{"X-Forwarded-Uri with a key decides nothing", raw("GET /x", "X-Forwarded-Uri: /x?apiKey="+strings.ReplaceAll(keyA, "canary", "kanary")), 401, "", ""},
		{"X-HTTP-Method-Override exempts nothing", raw("POST /x", "X-HTTP-Method-Override: OPTIONS", "Origin: https://example.com", "Access-Control-Request-Method: POST", "Content-Length: 0"), 401, "", ""},
		{"preflight patterns in the query exempt nothing", get("/x?method=OPTIONS&path=/healthz"), 401, "", ""},
	})
}

func TestAttackJSON(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential body token", map[string]gatetest.Record{keyA: {}, keyB: {}})
	post := func(body string, lines ...string) string {
		return raw("POST /", append(lines, "Content-Type: application/json", fmt.Sprintf("Content-Length: %d", len(body)))...) + body
	}
	postAs := func(header, body string) string {
		lines := []string{fmt.Sprintf("Content-Length: %d", len(body))}
		if header != "" {
			lines = append(lines, header)
		}
		return raw("POST /", lines...) + body
	}
	deep := strings.Repeat(`{"a":`, 100_000) + "1" + strings.Repeat("}", 100_000)
	runAttacks(t, g, up, []attack{
		{"JSON token twice", post(`{"token":"` + keyA + `","token":"` + keyA + `"}`), 400, "", ""},
		{"token and Token", post(`{"token":"` + keyA + `","Token":"` + keyB + `"}`), 400, "", ""},
		{"Token alone", post(`{"Token":"` + keyA + `","a":1}`), 200, `{"a":1}`, ""},
		{"token with a Kelvin sign", post(`{"to` + "\u212a" + `en":"` + keyA + `","a":1}`), 200, `{"a":1}`, ""},
		{`escaped name "tok\u0065n"`, post(`{"tok\u0065n":"` + keyA + `","a":1}`), 200, `{"a":1}`, ""},
		{"nested", post(`{"a":{"token":"` + keyA + `"}}`), 401, "", ""},
		{"data after the document", post(`{"token":"` + keyA + `"} {"token":"` + keyB + `"}`), 400, "", ""},
		{"byte-order mark", post("\ufeff" + `{"token":"` + keyA + `","a":1}`), 200, "\ufeff" + `{"a":1}`, ""},
		{"lone surrogates in the key", post(`{"token":"` + keyA + `\ud800"}`), 400, "", ""},
		{"lone surrogates in a name", post(`{"tok\ud800en":"`+keyB+`"}`, withKey), 400, "", ""},
		{"lone surrogates in a value", post(`{"token":"` + keyA + `","a":"\ud800"}`), 200, `{"a":"\ud800"}`, ""},
		{"invalid UTF-8", post(`{"token":"` + keyA + `","a":"` + "\xff" + `"}`), 400, "", ""},
		{"100,000 levels deep", post(`{"token":"` + keyA + `","a":` + deep + `}`), 400, "", ""},
		{"malformed, with a key in the header", post(`{"token":"`+keyB+`",}`, withKey), 400, "", ""},
		{"not a string", post(`{"token":["` + keyA + `"]}`), 401, "", ""},
		{"null beside a good one", post(`{"token":null,"a":1}`, withKey), 200, `{"a":1}`, ""},
		{"JSON with another type", postAs("Content-Type: text/plain", `{"token":"`+keyA+`"}`), 200, "{}", ""},
		{"JSON without a type", postAs("", `{"token":"`+keyA+`"}`), 200, "{}", ""},
		{"JSON with curl's type", postAs("Content-Type: application/x-www-form-urlencoded", `{"token":"`+keyA+`"}`), 200, "{}", ""},
		{"UTF-16", raw("POST /", withKey, "Content-Type: application/json; charset=utf-16", "Content-Length: 2") + "{}", 415, "", ""},
		{"two types", raw("POST /", withKey, "Content-Type: image/png", "Content-Type: application/json", "Content-Length: 2") + "{}", 400, "", ""},
	})
}

func TestAttackBodySizes(t *testing.T) {
	g, up := start(t, "credential body token\ncredential form key\nmax_body 64KiB\nmax_decoded 1MiB\nmax_ratio 20", map[string]gatetest.Record{keyA: {}})
	form := strings.Repeat("a=b&", 20_000) + "key=" + keyA
	noise, _ := json.Marshal(map[string]string{"token": keyA, "event": strings.Repeat("x", 500_000)})
	bomb := gzipped(bytes.Repeat([]byte(" "), 8<<20))
	encoded := func(coding string, body []byte) gatetest.Request {
		return gatetest.Request{Body: string(body), Target: "/", Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {coding}}}
	}
	for _, tc := range []struct {
		name   string
		req    gatetest.Request
		status int
	}{
		{"huge form bodies", gatetest.Request{Body: form, Target: "/", Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, 413},
		{"zip bomb: gzip to 8 MB", encoded("gzip", bomb), 413},
		{"zip bomb: over the ratio, under the size", encoded("gzip", gzipped(noise)), 413},
		{"zip bomb: nested encodings", encoded("gzip, gzip", gzipped(gzipped([]byte(`{}`)))), 415},
		{"zip bomb: Brotli to 8 MB", encoded("br", brotlied(bytes.Repeat([]byte(" "), 8<<20))), 413},
		{"zip bomb: Brotli in Brotli", encoded("br, br", brotlied(brotlied([]byte(`{}`)))), 415},
		{"unknown encoding", encoded("compress", []byte("x")), 415},
		{"not what the encoding says", encoded("gzip", []byte(`{"token":"`+keyA+`"}`)), 400},
		{"not what the encoding says: Brotli", encoded("br", []byte(`{"token":"`+keyA+`"}`)), 400},
		{"more than Brotli's stream", encoded("br", append(brotlied([]byte(`{}`)), `{"token":"`+keyA+`"}`...)), 400},
	} {
		for _, f := range gatetest.Framings {
			t.Run(tc.name+", "+string(f), func(t *testing.T) {
				tc.req.Framing = f
				if resp := g.Do(t, tc.req); resp.Status != tc.status {
					t.Errorf("status %d, want %d: %s", resp.Status, tc.status, resp.Body)
				}
				if n := len(up.Take()); n != 0 {
					t.Errorf("backend saw %d requests", n)
				}
			})
		}
	}
}

func gzipped(b []byte) []byte {
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	_, _ = w.Write(b)
	_ = w.Close()
	return buf.Bytes()
}

func brotlied(b []byte) []byte {
	var buf bytes.Buffer
	w := brotli.NewWriter(&buf)
	_, _ = w.Write(b)
	_ = w.Close()
	return buf.Bytes()
}

func TestAttackPath(t *testing.T) {
	g, up := start(t, "credential bearer\nresource project path /v1/project/{project}/*", map[string]gatetest.Record{keyA: {"resources": map[string]any{"project": []string{"mine", "also mine"}}}})
	get := func(path string) string { return raw("GET "+path, withKey) }
	runAttacks(t, g, up, []attack{
		{"the plain path", get("/v1/project/mine/events"), 200, "", "/v1/project/mine/events"},
		{"a value with an escape", get("/v1/project/also%20mine/events"), 200, "", "/v1/project/also%20mine/events"},
		{"another project", get("/v1/project/theirs/events"), 404, "", ""},
		{"..", get("/v1/project/mine/../theirs/events"), 400, "", ""},
		{"%2e%2e", get("/v1/project/mine/%2e%2e/theirs/events"), 400, "", ""},
		{"%2f", get("/v1/project/mine%2f..%2ftheirs/events"), 400, "", ""},
		{"%2f behind", get("/v1/project/mine/..%2f..%2fproject/theirs"), 400, "", ""},
		{`\`, get(`/v1/project/mine/..\theirs/events`), 400, "", ""},
		{"%5c", get("/v1/project/mine%5c..%5ctheirs/events"), 400, "", ""},
		{"//", get("/v1//project/mine/events"), 400, "", ""},
		{"// behind", get("/v1/project/mine//events"), 400, "", ""},
		{";x", get("/v1/project/mine;x=/../theirs"), 400, "", ""},
		{"#", get("/v1/project/mine/events#/../../theirs"), 400, "", ""},
		{"%23", get("/v1/project/mine/events%23"), 400, "", ""},
		{"a parent as Windows has it, ..%20", get("/v1/project/mine/..%20/theirs/events"), 400, "", ""},
		{"a parent as Windows has it, ...", get("/v1/project/mine/.../theirs/events"), 400, "", ""},
		{"a parent as Windows has it, .%20.", get("/v1/project/mine/.%20./theirs/events"), 400, "", ""},
		{"a parent as Windows has it, %20", get("/v1/project/mine/%20/theirs/events"), 400, "", ""},
		{"a dot that Windows drops", get("/v1/project/mine./events"), 400, "", ""},
		{"a space that Windows drops", get("/v1/project/mine%20/events"), 400, "", ""},
		{"dots and spaces that Windows drops, at the end", get("/v1/project/mine/events.%20."), 400, "", ""},
		{"dots inside", get("/v1/project/mine/.events..gz"), 200, "", "/v1/project/mine/.events..gz"},
		{"encoded twice", get("/v1/project/mine/%252e%252e/theirs"), 400, "", ""},
		{"NUL", get("/v1/project/mine%00/events"), 400, "", ""},
		{"invalid UTF-8", get("/v1/project/%ff/events"), 400, "", ""},
		{"other case", get("/V1/PROJECT/mine/events"), 404, "", ""},
		{"no project", get("/v1/project//events"), 400, "", ""},
	})
}

func TestAttackPathAfterRewrite(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, `uri strip_prefix /ingest
	rewrite /old/* /v1/project/theirs{uri}
	ingest_auth {
		resource project path /v1/project/{project}/*
	}
	reverse_proxy {{upstream}}`, map[string]gatetest.Record{keyA: {"resources": map[string]any{"project": []string{"mine"}}}}, gatetest.Vars{"upstream": up.Addr})
	runAttacks(t, g, up, []attack{
		{"the path as the backend sees it", raw("GET /ingest/v1/project/mine/x", withKey), 200, "", "/v1/project/mine/x"},
		{"rewritten to another project", raw("GET /old/mine", withKey), 404, "", ""},
	})
}

func TestAttackHTTP2PathWithoutSlash(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	status, err := g.HTTP2Path(t, "v1/events", keyA)
	if err == nil && status != http.StatusBadRequest {
		t.Errorf("status %d, want 400 or a stream error", status)
	}
	if n := len(up.Take()); n != 0 {
		t.Errorf("backend saw %d requests", n)
	}
}

func TestAttackTwoGatesTwoSources(t *testing.T) {
	// Records, identities and assertions of one gate never serve another.
	up := gatetest.NewUpstream(t, nil)
	g := startSite(t, `
	handle /a/* {
		ingest_auth {
			mode live
			resource project path /a/{project}
		}
		reverse_proxy {{upstream}}
	}
	handle {
		ingest_auth {
			mode test
		}
		reverse_proxy {{upstream}}
	}`, map[string]gatetest.Record{keyA: {"resources": map[string]any{"project": []string{"mine"}}}}, gatetest.Vars{"upstream": up.Addr})
	runAttacks(t, g, up, []attack{
		{"the gate that takes the key", raw("GET /a/mine", withKey), 200, "", ""},
		{"the gate that does not", raw("GET /b", withKey), 403, "", ""},
	})
}

func TestAttackManyHosts(t *testing.T) {
	// Caddy's host matcher once failed to match other cases with more than 100
	// hosts (CVE-2026-27588), which would let a request by the gate's site.
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	g.Write(t, "keys.json", gatetest.Keys(map[string]gatetest.Record{keyA: {}}))
	var sites []string
	for i := range 150 {
		sites = append(sites, fmt.Sprintf("http://host%d.example.com:{{gate}}", i))
	}
	g.Run(t, options+strings.Join(sites, ", ")+" {\nlog\ningest_auth\nreverse_proxy {{upstream}}\n}\n")
	for _, host := range []string{"host7.example.com", "HOST149.example.COM"} {
		resp := g.Raw(t, "GET", "GET / HTTP/1.1\r\nHost: "+host+"\r\nConnection: close\r\n\r\n")
		if resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s: status %d", host, resp.StatusCode)
		}
	}
}

func TestAttackErrorRouteBehindTracing(t *testing.T) {
	// Attack: error page fetched with the original request. Tracing hands the gate
	// a copy of the request; the error routes get the server's own.
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	for _, tracing := range []string{"", "tracing"} {
		for _, f := range gatetest.Framings {
			t.Run(tracing+" "+string(f), func(t *testing.T) {
				up := gatetest.NewUpstream(t, nil)
				g := startSite(t, tracing+`
				ingest_auth {
					errors caddy
					pass_preflights
				}
				respond ok
				handle_errors {
					reverse_proxy {{upstream}}
				}`, map[string]gatetest.Record{keyA: {}}, gatetest.Vars{"upstream": up.Addr})
				for _, req := range []gatetest.Request{
					{Header: http.Header{"X-Api-Key": {"wrong"}}, Body: `{"token":"` + keyA + `"}`},
					{Header: http.Header{"X-Api-Key": {keyB}, "Authorization": {"Bearer " + keyA}}, Body: `{"token":"` + keyA + `"}`},
					{Header: http.Header{"X-Api-Key": {"wrong"}}, Body: "x", Trailer: http.Header{"X-Ingest-Identity": {forged}, "X-Api-Key": {keyA}}},
					{Header: http.Header{"X-Api-Key": {keyB}}, Method: http.MethodGet},
				} {
					req.Framing, req.Target = f, "/?apiKey="+keyA
					req.Header.Set("Content-Type", "application/json")
					_, _ = g.Try(req) // without a body that can be read, the route may fail
					for _, seen := range up.Take() {
						if text := seen.String(); strings.Contains(text, "canary") || strings.Contains(text, forged) {
							t.Errorf("the error route's backend saw:\n%s", text)
						}
					}
				}
			})
		}
	}
}

func TestAttackPreflight(t *testing.T) {
	g, up := start(t, "pass_preflights\nmax_body 100", map[string]gatetest.Record{keyA: {}})
	for _, f := range gatetest.Framings {
		g.Do(t, gatetest.Request{
			Framing: f, Method: http.MethodOptions, Target: "/?apiKey=" + keyA, Body: `{"token":"` + keyA + `"}`,
			Header: http.Header{
				"Origin": {"https://example.com"}, "Access-Control-Request-Method": {"POST"}, "Content-Type": {"application/json"},
				"X-Http-Method-Override": {"POST"}, "X-Api-Key": {keyA},
			},
		})
		seen := up.One(t)
		if strings.Contains(seen.String(), "canary") || seen.Body != "" || seen.Header.Get("X-Http-Method-Override") != "" {
			t.Errorf("%s: backend saw:\n%s", f, seen)
		}
	}
}

func TestAttackOtherContentTypes(t *testing.T) {
	g, up := start(t, "credential bearer\ncredential body token", map[string]gatetest.Record{keyA: {}})
	body := `{"token":"` + keyA + `"}`
	for _, contentType := range []string{
		"application/json, text/plain", "application /json", `"application/json"`, "json", "*/*", "application/*",
		"application/x-json", "application/json5", "application/json-seq", "application/csp-report+json", "TEXT/JSON", ";",
	} {
		resp := g.Do(t, gatetest.Request{Target: "/", Body: body, Header: http.Header{"Content-Type": {contentType}}})
		if seen := up.Take(); resp.Status != http.StatusOK || len(seen) != 1 || seen[0].Body != "{}" {
			t.Errorf("%s: status %d, backend saw %v", contentType, resp.Status, seen)
		}
	}
	// The backend must get the type that the gate relied on.
	g.Raw(t, "POST", fmt.Sprintf("POST / HTTP/1.1\r\nHost: gate\r\n%s\r\nContent-Type: image/png\r\nConnection: close, Content-Type\r\nContent-Length: 2\r\n\r\n{}", withKey))
	if got := up.One(t).Header.Get("Content-Type"); got != "image/png" {
		t.Errorf("Content-Type %q", got)
	}
}

func TestAttackTypeToEvadeChecks(t *testing.T) {
	for _, check := range []string{"require any userId", "max_items 1"} {
		g, up := start(t, check, map[string]gatetest.Record{keyA: {}})
		resp := g.Do(t, gatetest.Request{Target: "/", Body: `[{},{}]`, Header: http.Header{"Content-Type": {"image/png"}, "X-Api-Key": {keyA}}})
		if resp.Status != http.StatusUnsupportedMediaType || len(up.Take()) != 0 {
			t.Errorf("%s: status %d", check, resp.Status)
		}
	}
}

func TestAttackUpgradeToHTTP2(t *testing.T) {
	g, up := start(t, "", map[string]gatetest.Record{keyA: {}})
	g.Raw(t, "GET", "GET / HTTP/1.1\r\nHost: gate\r\n"+withKey+"\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
	if seen := up.One(t); seen.Header.Get("Upgrade") != "" || seen.Header.Get("Http2-Settings") != "" {
		t.Errorf("backend was offered an upgrade:\n%s", seen)
	}
}
