package caddymodule_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/ingestauth/caddy-ingest-auth/internal/gatetest"
)

func TestLimitFailures(t *testing.T) {
	up := gatetest.NewUpstream(t, nil)
	g := gatetest.New(t, gatetest.Vars{"upstream": up.Addr})
	records := limited()
	records["expired-key-0123456789"] = gatetest.Record{"expires_at": "2020-01-01T00:00:00Z"}
	records["revoked-key-0123456789"] = gatetest.Record{"revoked_at": "2020-01-01T00:00:00Z"}
	g.Write(t, "keys.json", gatetest.Keys(records))
	trusting := strings.Replace(options, "protocols h1 h2c", "protocols h1 h2c\n\t\ttrusted_proxies static 127.0.0.1/32", 1)
	g.Run(t, trusting+limitSite("scope s:none\nmode live\nlimit_failures 5/"+year+" by ip"))
	from := func(key, ip string) gatetest.Request {
		req := get("/", key)
		req.Header.Set("X-Forwarded-For", ip)
		return req
	}
	// What is no failed authentication does not count.
	for range 10 {
		missing := from("", "192.0.2.1")
		missing.Header.Del("X-Api-Key")
		wantRemaining(t, g, missing, 401, "5")
		wantStatus(t, g, from(keyA, "192.0.2.1"), 403)
		conflict := from(keyA, "192.0.2.1")
		conflict.Header.Set("Authorization", "Bearer "+keyB)
		wantStatus(t, g, conflict, 400)
	}
	inBody := gatetest.Request{Target: "/", Body: `{"token":"unknown"}`, Header: http.Header{"Content-Type": {"application/json"}, "X-Forwarded-For": {"192.0.2.1"}}}
	for i, req := range []gatetest.Request{
		from("unknown", "192.0.2.1"), from("expired-key-0123456789", "192.0.2.1"), from("revoked-key-0123456789", "192.0.2.1"),
		from("bad\tkey", "192.0.2.1"), inBody,
	} {
		resp := wantRemaining(t, g, req, 401, strconv.Itoa(4-i))
		if resp.Header.Get("X-Ratelimit-Limit") != "5" || resp.Header.Get(reset) != yearEnd() || resp.Header.Get("Retry-After") != "" {
			t.Errorf("%v", resp.Header)
		}
	}
	missing := from("", "192.0.2.1")
	missing.Header.Del("X-Api-Key")
	wantRemaining(t, g, missing, 401, "0")
	for _, key := range []string{"unknown", keyA, "bad\tkey"} {
		resp := wantRemaining(t, g, from(key, "192.0.2.1"), 429, "0")
		if !strings.HasPrefix(resp.Body, `{"error":"Rate limit exceeded","code":"rate_limited","limit":5,"remaining":0,`) || resp.Header.Get("Retry-After") == "" {
			t.Errorf("%v %s", resp.Header, resp.Body)
		}
	}
	wantStatus(t, g, inBody, 429)
	wantRemaining(t, g, from("unknown", "192.0.2.2"), 401, "4")
	wantStatus(t, g, from(keyA, "2001:db8::1"), 403)
	if n := len(up.Take()); n != 0 {
		t.Errorf("backend saw %d requests", n)
	}
}
