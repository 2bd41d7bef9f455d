package caddymodule_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"

	"github.com/ingestauth/caddy-ingest-auth/internal/freeport"
	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

const reportOnly = allStyles + `
	enforce off
	scope events:write
	resource project query project {
		optional
	}
	require all event
	max_body 64KiB
	limit 40/` + year + ` by key
`

func reportRecords() map[string]gatetest.Record {
	return map[string]gatetest.Record{
		keyA: {"key_id": "key_a", "scopes": []string{"events:write"}, "resources": map[string][]string{"project": {"p"}}},
		keyB: {"key_id": "key_b"},
		keyC: {"key_id": "key_c", "revoked_at": "2026-01-01T00:00:00Z"},
	}
}

// reported are requests that a gate in report mode lets through, by the verdict
// that the assertion has.
func reported() map[string][]gatetest.Request {
	body := `{"event":"e"}`
	withKey := func(target, key, body string, more ...string) gatetest.Request {
		req := postJSON(target, key, body)
		for i := 0; i < len(more); i += 2 {
			req.Header.Set(more[i], more[i+1])
		}
		return req
	}
	large := `{"event":"` + strings.Repeat("x", 100<<10) + `"}`
	return map[string][]gatetest.Request{
		"allowed":                 {withKey("/t?project=p&y=%20", keyA, body)},
		"missing_key":             {{Target: "/t", Body: body}, {Method: "OPTIONS", Target: "/t", Header: http.Header{"Origin": {app}, "Access-Control-Request-Method": {"POST"}}}},
		"unknown_key":             {withKey("/t", "nobody", body), {Target: "/t", Body: `{"event":"e","token":"nobody"}`, Header: http.Header{"Content-Type": {"application/json"}}}},
		"revoked_key":             {withKey("/t", keyC, body)},
		"conflicting_credentials": {withKey("/t?apiKey="+keyB, keyA, body)},
		"malformed_query":         {withKey("/t?x=1&apiKey=%zz&y", keyA, body)},
		"insufficient_scope":      {withKey("/t", keyB, body)},
		"resource_mismatch":       {withKey("/t?project=q", keyA, body)},
		"missing_field":           {withKey("/t", keyA, `{"other":1}`), withKey("/t", keyA, `[{"event":1},{}]`)},
		"malformed_body":          {withKey("/t", keyA, `{"event":`), withKey("/t", keyA, "no gzip at all", "Content-Encoding", "gzip")},
		"unsupported_encoding":    {withKey("/t", keyA, "\x1b\x00", "Content-Encoding", "compress")},
		"unsupported_type":        {withKey("/t", keyA, "GIF89a", "Content-Type", "image/gif")},
		"body_too_large":          {withKey("/t", keyA, large)},
	}
}

func TestReportModeLetsEverythingThroughAsItCame(t *testing.T) {
	g, up := start(t, reportOnly, reportRecords())
	cases := reported()
	for _, s := range styles {
		req := baseRequest(gatetest.Length)
		s.add(&req, keyA)
		if s.name != "form" {
			cases["allowed"] = append(cases["allowed"], req)
		}
	}
	cases["allowed"] = append(cases["allowed"], gatetest.Request{
		Target: "/t", Body: string(gzipped([]byte(`{"event":1,"token":"` + keyA + `"}`))),
		Header: http.Header{"Content-Type": {"application/json"}, "Content-Encoding": {"gzip"}, "Digest": {"sha-256=x"}},
	})
	for verdict, requests := range cases {
		for _, req := range requests {
			for _, framing := range gatetest.Framings {
				req.Framing = framing
				checkReported(t, g, up, req, verdict)
			}
		}
	}
}

// checkReported sends a request and checks that the backend sees it as it came,
// but for the identity header.
func checkReported(t *testing.T, g *gatetest.Gate, up *gatetest.Upstream, req gatetest.Request, verdict string) {
	t.Helper()
	header := req.Header.Clone()
	if req.Header = req.Header.Clone(); req.Header == nil {
		req.Header = http.Header{}
	}
	req.Header["X-Ingest-Identity"] = []string{forged}
	resp := g.Do(t, req)
	if resp.Status != http.StatusOK || resp.Header.Get("X-Ratelimit-Limit") != "" {
		t.Errorf("%s: status %d, headers %v: %s", verdict, resp.Status, resp.Header, resp.Body)
		return
	}
	seen := up.One(t)
	if seen.URI != req.Target || seen.Body != req.Body || seen.BodyErr != nil {
		t.Errorf("%s: backend saw %s and %d bytes (%v), want %s and %d", verdict, seen.URI, len(seen.Body), seen.BodyErr, req.Target, len(req.Body))
	}
	for name := range header {
		if got, want := seen.Header[name], header[name]; strings.Join(got, ",") != strings.Join(want, ",") {
			t.Errorf("%s: backend saw %s %q, want %q", verdict, name, got, want)
		}
	}
	claims := gatetest.Claims(t, strings.Join(seen.Header["X-Ingest-Identity"], ","))
	if claims["verdict"] != verdict {
		t.Errorf("verdict %v, want %s", claims["verdict"], verdict)
	}
	if known := verdict != "missing_key" && verdict != "unknown_key"; verdict == "allowed" && claims["key_id"] != "key_a" || !known && claims["key_id"] != nil {
		t.Errorf("%s: claims %v", verdict, claims)
	}
}

func TestReportModeOutage(t *testing.T) {
	t.Setenv("TEST_VAULT_TOKEN", "a-token-for-no-vault")
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr, "vault": freeport.Addr(t)})
	vault := "keys vault {\naddress http://{{vault}}\nauth token {env.TEST_VAULT_TOKEN}\n}"
	g.Run(t, strings.Replace(options, "keys file {{dir}}/keys.json", vault, 1)+limitSite("enforce off"))
	checkReported(t, g, up, postJSON("/t", keyA, `{"event":"e"}`), "unavailable")
}

func TestReportModeCountsInTheLog(t *testing.T) {
	g, _ := start(t, reportOnly, reportRecords())
	for _, requests := range reported() {
		for _, req := range requests {
			wantStatus(t, g, req, 200)
		}
	}
	wantStatus(t, g, postJSON("/t?apiKey="+keyA, keyA, `{"event":"e","token":"`+keyA+`"}`), 200)
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(g.Dir, "caddy.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"msg":"requests that would have been refused"`, `"revoked_key":1`, `"missing_field":2`, `"verdict":"revoked_key"`, `"body_too_large":1`} {
		if !bytes.Contains(log, []byte(want)) {
			t.Errorf("the log has no %s", want)
		}
	}
	if i := bytes.Index(log, []byte("canary")); i >= 0 {
		t.Errorf("a key in the log: …%s…", log[max(0, i-200):min(len(log), i+100)])
	}
}

func TestReportModeStreamsBodiesOfAnySize(t *testing.T) {
	g, up := start(t, "enforce off\nmax_body 1KiB", reportRecords())
	for _, framing := range gatetest.Framings {
		req := postJSON("/t", keyA, strings.Repeat("x", 100<<10))
		req.Header.Set("Content-Type", "image/gif")
		req.Framing = framing
		verdict := "body_too_large"
		if framing == gatetest.Chunked {
			verdict = "allowed" // as far as the gate can see
		}
		checkReported(t, g, up, req, verdict)
	}
}

// TestReportModeLeavesHeadersAndTrailers that a gate which enforces would remove.
func TestReportModeLeavesHeadersAndTrailers(t *testing.T) {
	g, up := start(t, "enforce off\nscope GET events:read", reportRecords())
	g.Raw(t, "POST", raw("POST /", withKey, "X-HTTP-Method-Override: DELETE"))
	if seen := up.One(t); seen.Header.Get("X-Http-Method-Override") != "DELETE" {
		t.Errorf("the backend saw\n%s", seen)
	}
	g.Raw(t, "POST", chunkedWithTrailer("image/png", "x", "X-Api-Key", true))
	if seen := up.One(t); seen.Trailer.Get("X-Api-Key") != forged {
		t.Errorf("the backend saw\n%s", seen)
	}
	g.Raw(t, "GET", "GET / HTTP/1.1\r\nHost: gate\r\nConnection: close, x-api-key\r\nX-Api-Key: hop\r\n\r\n")
	if seen := up.One(t); seen.Header.Get("X-Api-Key") != "" {
		t.Errorf("the backend saw a header of the hop before:\n%s", seen)
	}
}

func TestReportModeWithStrip(t *testing.T) {
	g, up := start(t, strings.Replace(reportOnly, "scope events:write", "scope nobody:has", 1)+"\nstrip on", reportRecords())
	for _, s := range styles {
		for _, framing := range gatetest.Framings {
			req := baseRequest(framing)
			s.add(&req, keyA)
			wantStatus(t, g, req, 200)
			checkForwarded(t, up.One(t), s.name == "form")
		}
	}
	// What cannot be read cannot be cleaned, and passes all the same.
	req := postJSON("/t", keyA, `{"event":"e",`)
	wantStatus(t, g, req, 200)
	if seen := up.One(t); seen.Body != req.Body || seen.Header.Get("X-Api-Key") != "" {
		t.Errorf("the backend saw\n%s", seen)
	}
}

// digest is a digest as assertions have it, made without the code under test.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func TestReportModeBind(t *testing.T) {
	for _, strip := range []string{"on", "off"} {
		g, up := start(t, "enforce off\nstrip "+strip+"\nbind body\nscope x\nmax_body 1KiB", reportRecords())
		for _, req := range []gatetest.Request{
			postJSON("/t?x=1", keyA, `{"event":"e"}`),
			{Target: "/t", Body: `{"token":"` + keyB + `","event":"e"}`, Header: http.Header{"Content-Type": {"application/json"}}},
			{Target: "/t", Body: string(gzipped([]byte(`{"event":1}`))), Header: http.Header{"X-Api-Key": {keyA}, "Content-Encoding": {"gzip"}, "Content-Type": {"application/json"}}},
			{Target: "/t", Header: http.Header{"X-Api-Key": {keyA}}},
		} {
			wantStatus(t, g, req, 200)
			seen := up.One(t)
			claims := gatetest.Claims(t, seen.Header.Get("X-Ingest-Identity"))
			if claims["hbd"] != digest(seen.Body) || claims["htp"] != "/t" {
				t.Errorf("strip %s, %q: claims %v", strip, seen.Body, claims)
			}
		}
		wantStatus(t, g, postJSON("/t", keyA, strings.Repeat(" ", 2000)), 200)
		if claims := gatetest.Claims(t, up.One(t).Header.Get("X-Ingest-Identity")); claims["hbd"] != nil || claims["verdict"] != "body_too_large" {
			t.Errorf("claims of a body that was not read: %v", claims)
		}
	}
}
